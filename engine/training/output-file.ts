import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { MillraceError } from '../errors/millrace-error.ts';
import { syncFile, syncFolder } from '../archive/sync.ts';
import { contentHash } from '../history/content-hash.ts';
import { namingOut } from './out-error.ts';
import { whilePublishing } from './publish-lock.ts';
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
  /** Whose export it is: the same over all its attempts, and nobody else's. */
  readonly exportId?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A training set while it is written: in a folder of its own beside its place, moved there when whole. */
export class OutputFile {
  readonly path: string;
  readonly #folder: string;
  readonly #options: OutputOptions;

  private constructor(path: string, folder: string, options: OutputOptions) {
    this.path = path;
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
    await refuseExisting(path, options.overwrite);
    const partial = join(folder, `.${basename(path)}.partial-`);
    const own = `${partial}${options.exportId === undefined ? '' : `${markOf(options.exportId)}-`}`;
    return await namingOut(path, async () => {
      const made = await mkdtemp(own);
      await removeAbandoned(partial, options.exportId === undefined ? null : own, made);
      return new OutputFile(path, made, options);
    });
  }

  /** Where the Parquet file is while it is written. */
  get partialPath(): string {
    return join(this.#folder, 'rows.parquet');
  }

  /**
   * Puts manifest, comparison and file in place, synced to disk, while nobody else does at this path. A new set's file comes last: where it stands,
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
    await syncFile(this.partialPath);
    const moveBeside = async (): Promise<void> => {
      for (const { path, place } of partial) await rename(path, place);
    };
    await whilePublishing(this.path, this.#folder, this.#options.signal, async () => {
      const replaces = await refuseExisting(this.path, this.#options.overwrite);
      // What stands beside the set that is replaced says nothing of this one.
      for (const path of [manifestPath(this.path), ...Object.values(paths)]) await rm(path, { force: true });
      if (!replaces) await moveBeside();
      await rename(this.partialPath, this.path);
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
  if (exportId === undefined) return null;
  try {
    const manifest = JSON.parse(await readFile(manifestPath(path), 'utf8')) as TrainingManifest;
    if (manifest.export !== exportId) return null;
    return (await contentHash(path)).sha256 === manifest.sha256 ? manifest : null;
  } catch {
    // Nothing is there, or something else: which of it stands in the way is told when the output is made.
    return null;
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

/** Whether there is a file that may be replaced. */
async function refuseExisting(path: string, overwrite: boolean): Promise<boolean> {
  const found = await stat(path).catch(() => null);
  if (found === null) return false;
  if (overwrite && found.isFile()) return true;
  const what = found.isFile() ? 'the file exists' : 'there is something else of that name';
  throw new MillraceError('out-exists', `cannot write ${path}: ${what}`, {
    remedy: 'Choose another path, or allow to overwrite the file (overwrite; CLI: --overwrite).',
    httpStatus: 409,
  });
}
