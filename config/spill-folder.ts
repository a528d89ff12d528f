import { accessSync, constants, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import { identityOf, isAlive } from './process-identity.ts';

/** A folder of this process for what does not fit in memory. */
export interface SpillFolder {
  readonly path: string;
  /** Removes it with all that is in it. */
  remove(): void;
}

let opened = 0;

/**
 * Makes a folder for spilled data, and removes those of processes that were killed: nobody else would. Folders of
 * another host (or container) on the same disk are left alone, as their processes cannot be looked at.
 *
 * @param root MILLRACE_SPILL_DIR
 * @throws MillraceError `spill-folder-not-writable`
 * @example
 * const spill = openSpillFolder(env.spillDir);
 * try { await runBackfill({ …, spillDir: spill.path }); } finally { spill.remove(); }
 */
export function openSpillFolder(root: string, pid = process.pid): SpillFolder {
  try {
    mkdirSync(root, { recursive: true });
    accessSync(root, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new MillraceError('spill-folder-not-writable', `cannot write to the spill folder ${root}: ${String(error)}`, {
      remedy: 'Set MILLRACE_SPILL_DIR to a folder on a disk that this user may write to.',
      httpStatus: 500,
      cause: error,
    });
  }
  const host = encode(hostname());
  for (const name of readdirSync(root)) {
    const [theirHost, theirPid, startedAt] = name.split('.');
    if (theirHost !== host || startedAt === undefined) continue;
    const owner = { pid: Number(theirPid), startedAt: decode(startedAt) };
    if (!isAlive(owner)) rmSync(join(root, name), { recursive: true, force: true });
  }
  const path = join(root, `${host}.${pid}.${encode(identityOf(pid).startedAt ?? '')}.${++opened}`);
  mkdirSync(path, { recursive: true });
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

function encode(text: string): string {
  return Buffer.from(text).toString('base64url');
}

/** Null where the time could not be told. */
function decode(text: string): string | null {
  return text === '' ? null : Buffer.from(text, 'base64url').toString();
}
