import { link, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isNotFound } from '../archive/archive-errors.ts';
import { MillraceError } from '../errors/millrace-error.ts';

export interface PublishLimits {
  /** Publishing renames a few files: a lock that is older than this is of a process that died at it. */
  readonly staleMs: number;
  readonly everyMs: number;
}

const DEFAULT_LIMITS: PublishLimits = { staleMs: 30_000, everyMs: 50 };

/** Where the lock of a path stands while something is published there. */
export function lockPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.publishing`);
}

/**
 * Runs `work` while nobody else publishes at `path`, in whatever process or on whatever machine that shares the folder. One that died while it
 * published is waited for until that is certain. Throws `out-busy` (retryable) where others go on for too long.
 *
 * @param own a folder of one's own on the same file system
 */
export async function whilePublishing(
  path: string,
  own: string,
  signal: AbortSignal | undefined,
  work: () => Promise<void>,
  limits: PublishLimits = DEFAULT_LIMITS,
): Promise<void> {
  const lock = lockPath(path);
  const mine = join(own, 'lock');
  await take(lock, mine, signal, limits);
  try {
    await work();
  } finally {
    await rm(lock, { force: true });
  }
}

async function take(
  lock: string,
  mine: string,
  signal: AbortSignal | undefined,
  { staleMs, everyMs }: PublishLimits,
): Promise<void> {
  for (let tries = 0; tries < (2 * staleMs) / everyMs; tries++) {
    signal?.throwIfAborted();
    // The times of both files are the file system's: no two clocks are compared.
    await writeFile(mine, String(tries));
    try {
      return await link(mine, lock);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
    await clearStale(lock, mine, staleMs);
    await sleep(everyMs, undefined, { signal });
  }
  throw new MillraceError('out-busy', `others publish at the same path (${lock})`, {
    remedy: 'Choose another path, or wait for the other exports to end.',
    retryable: true,
    httpStatus: 409,
  });
}

async function clearStale(lock: string, mine: string, staleMs: number): Promise<void> {
  try {
    const held = await stat(lock);
    if ((await stat(mine)).mtimeMs - held.mtimeMs < staleMs) return;
    const stale = `${mine}.stale`;
    await rename(lock, stale);
    // Another may have cleared it first, and have locked: then it is theirs, and goes back.
    if ((await stat(stale)).ino !== held.ino) await link(stale, lock);
    await rm(stale, { force: true });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
