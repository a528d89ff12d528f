import { lstatSync, readlinkSync, realpathSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { MillraceError } from '../engine/errors/millrace-error.ts';

/**
 * A path that a workflow was given, made absolute, if it lies in one of the folders that workflows may use once all links are followed; of what is not
 * there yet its nearest folder counts. Whoever reaches Temporal starts workflows, and none of them is to read or write what else the worker could.
 *
 * @param base what relative paths are taken from
 * @param roots the folders, absolute; null: everywhere
 * @throws MillraceError `path-outside-roots`
 * @example
 * pathWithin('/srv/features', 'out/june.parquet', ['/srv/features/out']); // '/srv/features/out/june.parquet'
 */
export function pathWithin(base: string, path: string, roots: readonly string[] | null): string {
  const absolute = resolve(base, path);
  if (roots === null) return absolute;
  const real = realPath(absolute);
  if (roots.some((root) => isWithin(realPath(resolve(root)), real))) return absolute;
  const where = real === absolute ? '' : `, which is ${real}`;
  throw new MillraceError(
    'path-outside-roots',
    `${absolute}${where}, lies in none of the folders that workflows may use: ${roots.join(', ')}`,
    {
      remedy: 'Name a file in one of them, or have the folder added to MILLRACE_ROOTS of the workers.',
      httpStatus: 403,
    },
  );
}

function isWithin(root: string, path: string): boolean {
  const way = relative(root, path);
  return way === '' || (way !== '..' && !way.startsWith('../') && !way.startsWith('/'));
}

/** Where a path leads, though what it names need not be there: a link to nothing yet is followed as well. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (!isMissing(error) || dirname(path) === path) throw error;
    const target = linkTarget(path);
    // Links in a circle are no ENOENT: realpath itself has refused them.
    if (target !== null) return realPath(resolve(dirname(path), target));
    return join(realPath(dirname(path)), basename(path));
  }
}

/** Null where nothing is there, or no link. */
function linkTarget(path: string): string | null {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true ? readlinkSync(path) : null;
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
