import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MillraceError } from '../errors/millrace-error.ts';
import type { Definitions } from './compiled-view.ts';
import { type FeatureTags, LOCK_FILE, lockedViews, lockOf, lockText, parsedLock } from './feature-lock.ts';

/** How a lock in a file stands to definitions. */
export interface LockState {
  /** `none`: there is no file. `same`: it is what `writeLock` would write. */
  readonly state: 'none' | 'same' | 'differs';
  /** `view.feature` of each whose tag is another one, or is in one of the two alone; sorted. */
  readonly features: readonly string[];
}

/**
 * Writes `millrace.lock.json`, whole or not at all; where it has that text already, nothing is written.
 *
 * @param folder where it lies: beside the folder of definitions
 * @returns what it was before
 * @throws MillraceError `invalid-lock` never: what is there is replaced. What the file system throws.
 * @example
 * await writeLock(definitions, dirname(definitions.folder));
 */
export async function writeLock(definitions: Definitions, folder: string): Promise<LockState> {
  const before = await lockState(definitions, folder, true);
  if (before.state === 'same') return before;
  const path = join(folder, LOCK_FILE);
  const aside = `${path}.${process.pid}.tmp`;
  await writeFile(aside, lockText(lockOf(definitions)));
  await rename(aside, path);
  return before;
}

/**
 * Holds the lock of a folder against definitions.
 *
 * @param lenient takes what is no lock for one without features
 * @throws MillraceError `invalid-lock`
 */
export async function lockState(definitions: Definitions, folder: string, lenient = false): Promise<LockState> {
  const text = await readIfThere(join(folder, LOCK_FILE));
  const lock = lockOf(definitions);
  if (text === null) return { state: 'none', features: [] };
  if (text === lockText(lock)) return { state: 'same', features: [] };
  return { state: 'differs', features: differing(storedViews(text, lenient), lockedViews(lock)) };
}

function storedViews(text: string, lenient: boolean): ReadonlyMap<string, FeatureTags> {
  try {
    return lockedViews(parsedLock(text, LOCK_FILE));
  } catch (error) {
    if (lenient && error instanceof MillraceError) return new Map();
    throw error;
  }
}

function differing(one: ReadonlyMap<string, FeatureTags>, other: ReadonlyMap<string, FeatureTags>): string[] {
  const flat = (views: ReadonlyMap<string, FeatureTags>): Map<string, string> =>
    new Map([...views].flatMap(([view, tags]) => Object.entries(tags).map(([name, tag]) => [`${view}.${name}`, tag])));
  const [a, b] = [flat(one), flat(other)];
  return [...new Set([...a.keys(), ...b.keys()])].filter((name) => a.get(name) !== b.get(name)).toSorted();
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return null;
    throw cause;
  }
}
