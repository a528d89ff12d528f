import { access } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import type { NamedFile } from './history-files.ts';

/** The folder above the first part of a glob that is a pattern, or the file itself's. */
export function fixedPart(pattern: string): string {
  const parts = pattern.split(/[\\/]/);
  const first = parts.findIndex((part) => /[*?[\]{}]|[!@+]\(/.test(part));
  return parts.slice(0, first < 0 ? -1 : first).join('/') || '/';
}

/** A file's name in its history: its path below the glob's fixed part, with `/`. */
export function fileName(pattern: string, path: string): string {
  return relative(fixedPart(pattern), path).split(sep).join('/');
}

/**
 * The names of files that may have been noted by their paths alone. Those lay below the fixed part of then, which is not known: it is the folder above all of
 * them below which the most of their names are found now; of several, the lowest.
 */
export async function namesOf(pattern: string, files: readonly NamedFile[]): Promise<string[]> {
  const former = files.filter(({ name }) => name === undefined);
  if (former.length === 0) return files.map(({ name }) => name ?? '');
  const base = await formerBase(fixedPart(pattern), former);
  return files.map(({ name, path }) => name ?? relative(base, path).split(sep).join('/'));
}

async function formerBase(base: string, files: readonly NamedFile[]): Promise<string> {
  const isBelow = ({ path }: NamedFile): boolean => !relative(base, path).startsWith('..');
  if (files.every(isBelow)) return base;
  let best = { folder: commonFolder(files), found: -1 };
  for (let folder = best.folder; ; folder = dirname(folder)) {
    let found = 0;
    for (const { path } of files) if (await exists(join(base, relative(folder, path)))) found++;
    if (found > best.found) best = { folder, found };
    if (found === files.length || folder === dirname(folder)) return best.folder;
  }
}

function commonFolder(files: readonly NamedFile[]): string {
  let folder = dirname(files[0]!.path);
  for (const { path } of files) while (relative(folder, path).startsWith('..')) folder = dirname(folder);
  return folder;
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}
