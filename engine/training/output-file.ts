import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { MillraceError } from '../errors/millrace-error.ts';
import { syncFile, syncFolder } from '../archive/sync.ts';
import { contentHash } from '../history/content-hash.ts';
import { namingOut } from './out-error.ts';
import { whilePublishing } from './publish-lock.ts';
import { splitPaths } from './split.ts';
import type { TrainingManifest } from './training-types.ts';

/** The manifest's place beside a training set. */
export function manifestPath(out: string): string {
  return `${out}.manifest.json`;
}

/** Where a comparison of the modes stands beside a training set. */
export function comparisonPaths(out: string): { readonly json: string; readonly svg: string } {
  return { json: `${out}.compare.json`, svg: `${out}.compare.svg` };
}

/** A comparison as it is written. */
export interface WrittenComparison {
  readonly json: string;
  readonly svg: string;
}

/** Partial files of others are taken for abandoned at this age: no attempt of an export lasts so long. */
const ABANDONED_MS = 48 * 3_600_000;

/** What an output is made for. */
export interface OutputOptions {
  readonly overwrite: boolean;
  /** Two files, to train on and to test with, in place of the one. */
  readonly isSplit: boolean;
  /** Whose export it is: the same over all its attempts, and nobody else's. */
  readonly exportId?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A file of an output: its place, and where it is while it is written. */
export interface OutputPart {
  readonly path: string;
  readonly partialPath: string;
}

/** The Parquet files of a training set at a path. */
function filesOf(path: string, isSplit: boolean): readonly string[] {
  return isSplit ? Object.values(splitPaths(path)) : [path];
}

/** A training set while it is written: in a folder of its own beside its place, moved there when whole. */
export class OutputFile {
  readonly path: string;
  /** Of a set that is divided, what is to train on and what is to test with. */
  readonly parts: readonly OutputPart[];
  readonly #folder: string;
  readonly #options: OutputOptions;

  private constructor(path: string, folder: string, options: OutputOptions) {
    this.path = path;
    this.parts = filesOf(path, options.isSplit).map((place, number) => ({
      path: place,
      partialPath: join(folder, `rows-${number}.parquet`),
    }));
    this.#folder = folder;
    this.#options = options;
  }

  /** Removes what earlier attempts left. Throws `out-folder-missing`, `out-exists`, `out-not-writable`, `out-full` and `out-away` (both are waited for). */
  static async create(path: string, options: OutputOptions): Promise<OutputFile> {
    const folder = dirname(path);
    if (!(await stat(folder).catch(() => null))?.isDirectory()) {
      throw new MillraceError('out-folder-missing', `cannot write ${path}: there is no folder ${folder}`, {
        remedy: 'Make the folder, or choose another path.',
      });
    }
    await standingSet(path, options);
    const partial = join(folder, `.${basename(path)}.partial-`);
    const own = `${partial}${options.exportId === undefined ? '' : `${markOf(options.exportId)}-`}`;
    return await namingOut(path, async () => {
      const made = await mkdtemp(own);
      await removeAbandoned(partial, options.exportId === undefined ? null : own, made);
      return new OutputFile(path, made, options);
    });
  }

  /**
   * Puts manifest, comparison and files in place, synced to disk, while nobody else does at this path. A new set's files come last: where they stand,
   * all of it does. One that replaces another takes that one's manifest away first, so that a manifest never speaks of another file. Throws `out-exists`.
   */
  async publish(manifest: TrainingManifest, comparison: WrittenComparison | null): Promise<void> {
    const paths = comparisonPaths(this.path);
    const beside = new Map([[manifestPath(this.path), `${JSON.stringify(manifest, null, 2)}\n`]]);
    if (comparison !== null) beside.set(paths.json, comparison.json).set(paths.svg, comparison.svg);
    const partial = [...beside].map(([place, text], number) => ({
      place,
      text,
      path: join(this.#folder, `beside-${number}`),
    }));
    for (const { path, text } of partial) await writeFile(path, text, { flush: true });
    for (const { partialPath } of this.parts) await syncFile(partialPath);
    const moveBeside = async (): Promise<void> => {
      for (const { path, place } of partial) await rename(path, place);
    };
    await whilePublishing(this.path, this.#folder, this.#options.signal, async () => {
      const standing = await standingSet(this.path, this.#options);
      const replaces = standing.length > 0;
      // What stands beside the set that is replaced says nothing of this one.
      for (const path of [manifestPath(this.path), ...Object.values(paths)]) await rm(path, { force: true });
      // Of a set in one file where there are to be two, or the other way round.
      const places = new Set(this.parts.map(({ path }) => path));
      for (const path of standing) if (!places.has(path)) await rm(path);
      if (!replaces) await moveBeside();
      for (const { partialPath, path } of this.parts) await rename(partialPath, path);
      if (replaces) await moveBeside();
      await syncFolder(dirname(this.path));
    });
  }

  /** Removes what is not in place. */
  async dispose(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/**
 * What this very export has published already, by an attempt that died before it could say so; null where it has not. The file must be, byte for
 * byte, what its manifest says.
 */
export async function publishedBefore(path: string, exportId: string | undefined): Promise<TrainingManifest | null> {
  const manifest = exportId === undefined ? null : await standingManifest(path);
  if (manifest === null || manifest.export !== exportId) return null;
  const files = filesOf(path, manifest.split !== undefined);
  for (const file of files) if (!(await isWhatWasWritten(file, path, manifest))) return null;
  return manifest;
}

/** Null where there is none, or something else: what stands in the way of an output is told when it is made. */
async function standingManifest(path: string): Promise<TrainingManifest | null> {
  try {
    return JSON.parse(await readFile(manifestPath(path), 'utf8')) as TrainingManifest;
  } catch {
    return null;
  }
}

/** Whether a file of a set at `path` is, byte for byte, what the manifest there says of it. */
async function isWhatWasWritten(file: string, path: string, { sha256, split }: TrainingManifest): Promise<boolean> {
  const { train } = splitPaths(path);
  const written = split === undefined ? sha256 : (file === train ? split.train : split.test).sha256;
  try {
    return (await contentHash(file)).sha256 === written;
  } catch {
    return false;
  }
}

function markOf(exportId: string): string {
  return createHash('sha256').update(exportId).digest('hex').slice(0, 16);
}

/** Earlier attempts of the same export write no more, or for nothing; of others, what is older than any attempt may be. */
async function removeAbandoned(partial: string, own: string | null, made: string): Promise<void> {
  const folder = dirname(partial);
  const { mtimeMs: nowMs } = await stat(made);
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    if (!path.startsWith(partial) || path === made) continue;
    const isOwn = own !== null && path.startsWith(own);
    if (isOwn || nowMs - (await newestMs(path)) > ABANDONED_MS) await rm(path, { recursive: true, force: true });
  }
}

/** When something in a folder was last written; now where it has just gone. */
async function newestMs(folder: string): Promise<number> {
  let newest = 0;
  try {
    for (const path of [folder, ...(await readdir(folder)).map((name) => join(folder, name))])
      newest = Math.max(newest, (await stat(path)).mtimeMs);
    return newest;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/**
 * The files of a set that stand at a path and may be replaced: those of its manifest, and those to be written. Of an attempt of this very export that ended
 * between two files they may be replaced in any case. Throws `out-exists`.
 */
async function standingSet(path: string, { overwrite, isSplit, exportId }: OutputOptions): Promise<string[]> {
  const manifest = await standingManifest(path);
  const { split } = manifest ?? {};
  const isOwn = split !== undefined && exportId !== undefined && manifest?.export === exportId;
  const found: string[] = [];
  for (const file of new Set([...filesOf(path, isSplit), path, ...filesOf(path, split !== undefined)])) {
    const stands = await stat(file).catch(() => null);
    if (stands === null) continue;
    found.push(file);
    if (stands.isFile() && (overwrite || (isOwn && (await isWhatWasWritten(file, path, manifest))))) continue;
    const what = stands.isFile() ? 'the file exists' : 'there is something else of that name';
    throw new MillraceError('out-exists', `cannot write ${file}: ${what}`, {
      remedy: 'Choose another path, or allow to overwrite the file (overwrite; CLI: --overwrite).',
      httpStatus: 409,
    });
  }
  return found;
}
