import { randomUUID } from 'node:crypto';
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { isAlive, ownIdentity, type ProcessIdentity } from '../config/process-identity.ts';

export type LockAttempt =
  | { readonly acquired: true; readonly tookOver: boolean; release(): void }
  | { readonly acquired: false; readonly holder: ProcessIdentity };

/**
 * Takes the lock file `path` for this process, also from a holder that no longer lives.
 *
 * The file appears with its content in one step (a hard link to a finished file), so a reader never sees half of it.
 */
export function tryLock(path: string): LockAttempt {
  const own = `${JSON.stringify({ ...ownIdentity(), token: randomUUID() })}\n`;
  const draft = `${path}.${process.pid}.${randomUUID()}`;
  writeFileSync(draft, own);
  try {
    let tookOver = false;
    for (;;) {
      if (linked(draft, path)) return { acquired: true, tookOver, release: () => releaseOwn(path, own) };
      const found = readOrNull(path);
      if (found === null) continue;
      const holder = parseHolder(found);
      if (holder !== null && isAlive(holder)) return { acquired: false, holder };
      removeStale(path, found);
      tookOver = true;
    }
  } finally {
    rmSync(draft, { force: true });
  }
}

function removeStale(path: string, expected: string): void {
  const aside = `${path}.stale.${randomUUID()}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  // Between our look and the rename another process may have taken the stale lock over: give a living one back.
  if (readOrNull(aside) !== expected) linked(aside, path);
  rmSync(aside, { force: true });
}

function releaseOwn(path: string, own: string): void {
  if (readOrNull(path) === own) rmSync(path, { force: true });
}

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

function parseHolder(content: string): ProcessIdentity | null {
  try {
    const value: unknown = JSON.parse(content);
    if (typeof value !== 'object' || value === null || !('pid' in value) || typeof value.pid !== 'number') return null;
    const startedAt = 'startedAt' in value && typeof value.startedAt === 'string' ? value.startedAt : null;
    return { pid: value.pid, startedAt };
  } catch {
    return null;
  }
}
