import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { CompiledSource } from '../define/compiled-view.ts';
import { internalBug, MillraceError } from '../errors/millrace-error.ts';
import { fileName, fixedPart, namesOf } from './file-names.ts';
import type { FileHashes, FileIdentity } from './file-hashes.ts';
import {
  findHistoryFiles,
  formatOf,
  type HistoryFile,
  type HistoryFiles,
  matchingFiles,
  type NamedFile,
  unreadableHistory,
} from './history-files.ts';
import { type HistoryListing, listingOf } from './history-listing.ts';

/** The files that somebody read, and that a replay of it reads again: these, and no others. */
export interface HistoryReads {
  /** Who, for messages: `version 3 of view "visits"`. */
  readonly of: string;
  /** In the order of their positions. */
  readonly files: readonly NamedFile[];
}

/** What was read then, to be read again; null where that was no file. Throws MillraceError `history-changed` where the source has no history any more. */
export function readsOf(source: CompiledSource, of: string, files: readonly NamedFile[]): HistoryReads | null {
  if (files.length === 0) return null;
  const reads = { of, files };
  if (source.history === null) throw historyChanged(source.name, reads, ['the source has no `history` any more']);
  return reads;
}

/** A file of which is known what it holds. */
export type IdentifiedFile = FileIdentity & { readonly name: string; readonly path: string };

export interface IdentifiedFiles extends HistoryFiles {
  readonly files: readonly IdentifiedFile[];
  readonly listing: HistoryListing;
}

/** Files hashed at a time. */
const AT_ONCE = 4;

/**
 * The files that a history consists of now, and what they hold. Throws MillraceError `history-not-found`, `history-mixed-formats`,
 * `history-format-unknown`, `history-unreadable`.
 */
export async function presentHistory(
  source: CompiledSource,
  hashes: FileHashes,
  signal?: AbortSignal,
): Promise<IdentifiedFiles> {
  const pattern = patternOf(source);
  const { format, files } = await findHistoryFiles(source.name, pattern);
  const identified = await eachOf(files, async ({ path }) => {
    const identity = await identify(source, hashes, path, signal);
    if (identity === null) throw unreadableHistory(source.name, path, new Error('it is gone'));
    return { ...identity, name: fileName(pattern, path), path };
  });
  return { format, files: identified, listing: listingOf(source.name, identified) };
}

/**
 * Exactly the files that were read then, each below where the history lies now, or else where it lay. Throws MillraceError `history-changed` where one is
 * gone or holds something else, `history-unreadable`.
 */
export async function namedHistory(
  source: CompiledSource,
  reads: HistoryReads,
  hashes: FileHashes,
  signal?: AbortSignal,
): Promise<IdentifiedFiles> {
  const pattern = patternOf(source);
  const base = fixedPart(pattern);
  const names = await namesOf(pattern, reads.files);
  const changes: string[] = [];
  const found = await eachOf([...reads.files.entries()], async ([index, then]) => {
    const name = names[index]!;
    const below = join(base, name);
    const path = (await isFile(below)) ? below : then.path;
    if (then.stamp !== undefined && then.sha256 !== undefined && path === then.path)
      hashes.trust(path, { stamp: then.stamp, sha256: then.sha256 });
    const now = await identify(source, hashes, path, signal);
    const change = now === null ? `${name} is gone: expected at ${below}` : changeOf(path, then, now);
    if (change !== null) changes.push(change);
    return now === null ? null : { ...now, name, path };
  });
  if (changes.length > 0) throw historyChanged(source.name, reads, changes);
  const files = found.filter((file) => file !== null);
  const listed = files.map(({ name, sizeBytes }, at) => ({ name, sizeBytes, sha256: reads.files[at]!.sha256 }));
  return { format: formatOf(source.name, pattern, files), files, listing: listingOf(source.name, listed) };
}

/** Refuses files that hold something else after they were read than before. Throws MillraceError `history-changed`, `history-unreadable`. */
export async function checkUnchanged(
  source: CompiledSource,
  { files }: IdentifiedFiles,
  hashes: FileHashes,
  signal?: AbortSignal,
): Promise<void> {
  for (const { path, sha256, sizeBytes } of files) {
    const now = await identify(source, hashes, path, signal);
    if (now?.sha256 === sha256) continue;
    const became =
      now === null
        ? 'it is gone'
        : `it had ${sizeBytes} bytes, sha256 ${sha256}, and has ${now.sizeBytes} bytes, sha256 ${now.sha256}`;
    throw new MillraceError(
      'history-changed',
      `source "${source.name}": ${path} was changed while it was read: ${became}`,
      {
        remedy: 'Write files aside and rename them, so that none is found half done; what was begun is tried again.',
        retryable: true,
        httpStatus: 409,
        details: { source: source.name, path },
      },
    );
  }
}

/** Refuses files of as many bytes as then, whose hash of then is not known, with another number of rows. Throws MillraceError `history-changed`. */
export function checkRows(source: string, reads: HistoryReads, files: readonly HistoryFile[]): void {
  const changes = reads.files.flatMap((then, at) => {
    const now = files[at];
    if (now === undefined) throw internalBug(`source "${source}": ${then.path} was not read`);
    const isSame = then.rows === undefined || then.rows === now.rows;
    return isSame ? [] : [`${now.path} had ${then.rows} rows and has ${now.rows}`];
  });
  if (changes.length > 0) throw historyChanged(source, reads, changes);
}

/**
 * How many files a history has now that `named` lacks; null where it has none at all here, because it lies elsewhere.
 *
 * @example
 * await filesNotIn(source, version.history?.files ?? []); // 1: a day more since
 */
export async function filesNotIn(source: CompiledSource, named: readonly NamedFile[]): Promise<number | null> {
  const pattern = patternOf(source);
  const names = new Set(await namesOf(pattern, named));
  const present = await matchingFiles(pattern);
  return present.length === 0 ? null : present.filter(({ path }) => !names.has(fileName(pattern, path))).length;
}

function historyChanged(source: string, { of }: HistoryReads, changes: readonly string[]): MillraceError {
  const shown =
    changes.length > 3 ? `${changes.slice(0, 3).join('; ')}; and ${changes.length - 3} more` : changes.join('; ');
  return new MillraceError('history-changed', `source "${source}": ${of} was made from other history files: ${shown}`, {
    remedy:
      'Put the files of then back to replay it, or rebackfill the view (of a training set: export anew): what is made anew is made from the files of now.',
    httpStatus: 409,
    details: { source, of, changes },
  });
}

function changeOf(path: string, then: NamedFile, now: FileIdentity): string | null {
  if (then.sizeBytes !== now.sizeBytes) return `${path} had ${then.sizeBytes} bytes and has ${now.sizeBytes}`;
  if (then.sha256 === undefined || then.sha256 === now.sha256) return null;
  return `${path} had sha256 ${then.sha256} and has ${now.sha256}`;
}

/** Null where there is no such file. */
async function identify(
  source: CompiledSource,
  hashes: FileHashes,
  path: string,
  signal: AbortSignal | undefined,
): Promise<FileIdentity | null> {
  try {
    return await hashes.identify(path, signal);
  } catch (error) {
    signal?.throwIfAborted();
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return null;
    throw codeOf(error) === undefined ? error : unreadableHistory(source.name, path, error);
  }
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

function patternOf(source: CompiledSource): string {
  if (source.history === null) throw internalBug(`source "${source.name}" has no history`);
  return source.history.path;
}

async function eachOf<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let from = 0; from < items.length; from += AT_ONCE)
    results.push(...(await Promise.all(items.slice(from, from + AT_ONCE).map(work))));
  return results;
}
