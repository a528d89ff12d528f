import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import { canEnter, enterableDirectory, type UnixUser } from './unprivileged-user.ts';

/** In the data directory: where the database really is, when it is not in the folder `postgres` beside this file. */
const POINTER = 'postgres.location';

/**
 * The directory that holds Postgres' data for the stack in `dataDir`: inside it where the server's user can go there, else
 * in a place every user can enter, remembered in a pointer file.
 */
export function locatePostgresData(dataDir: string, user: UnixUser | null): string {
  const pointer = join(dataDir, POINTER);
  if (existsSync(pointer)) {
    const target = readFileSync(pointer, 'utf8').trim();
    if (existsSync(target)) return target;
    throw new MillraceError('data-directory-incomplete', `${pointer} points to ${target}, which is gone`, {
      remedy: 'Start with --reset: without its Postgres the rest of the data directory is of no use.',
      details: { pointer, target },
    });
  }
  const inside = join(dataDir, 'postgres');
  if (existsSync(inside)) return inside;
  if (user === null || canEnter(user, dataDir)) {
    mkdirSync(inside, { mode: 0o755 });
    return inside;
  }
  const name = `postgres-${createHash('sha256').update(resolve(dataDir)).digest('hex').slice(0, 16)}`;
  const outside = join(enterableDirectory(user), name);
  // No pointer leads there: it belongs to a data directory of this path that was deleted since.
  rmSync(outside, { recursive: true, force: true });
  mkdirSync(outside, { mode: 0o755 });
  writeFileSync(pointer, `${outside}\n`);
  return outside;
}

/** Deletes the database of `dataDir` that lies elsewhere, if there is one. */
export function removePostgresData(dataDir: string): void {
  const pointer = join(dataDir, POINTER);
  if (existsSync(pointer)) rmSync(readFileSync(pointer, 'utf8').trim(), { recursive: true, force: true });
}
