import { createHash } from 'node:crypto';
import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { archiveWriteError, isNotFound } from '../archive/archive-errors.ts';
import { makeFolder } from '../archive/make-folder.ts';
import { syncFolder } from '../archive/sync.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import type { ModelVersion } from '../postgres/model-versions.ts';
import { filePages } from './model-source-file.ts';

type Named = Pick<ModelVersion, 'model' | 'sha256'>;

/** Where a model's bytes are in the archive's folder: by their hash, so that a file that stands there is whole. */
export function modelFile(archiveDir: string, { model, sha256 }: Named): string {
  return join(archiveDir, 'models', model, sha256);
}

/** Whether the archive's folder has a model's bytes, by the size. */
export async function isArchived(
  archiveDir: string,
  version: Named & { readonly sizeBytes: number },
): Promise<boolean> {
  try {
    return (await stat(modelFile(archiveDir, version))).size === version.sizeBytes;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

/** Whether the archive's folder has a model's bytes, and they are those: read page by page. */
export async function isIntact(archiveDir: string, version: Named & { readonly sizeBytes: number }): Promise<boolean> {
  if (!(await isArchived(archiveDir, version))) return false;
  const hash = createHash('sha256');
  for await (const page of filePages(modelFile(archiveDir, version))) hash.update(page);
  return hash.digest('hex') === version.sha256;
}

/**
 * Puts a model's bytes into the archive's folder: written aside, synced, and renamed once they are whole and held to their hash. What stands there
 * intact is left as it is; what is damaged is replaced.
 * Throws what the pages throw, and MillraceError `model-not-published` for pages of other bytes, `archive-full`, `archive-away`, `archive-not-writable`.
 *
 * @param own told apart from others that write the same file at once
 */
export async function archiveModel(
  archiveDir: string,
  version: Named & { readonly sizeBytes: number },
  pages: AsyncIterable<Uint8Array>,
  own: string,
): Promise<void> {
  if (await isIntact(archiveDir, version)) return;
  const path = modelFile(archiveDir, version);
  const aside = `${path}.${own}.part`;
  const hash = createHash('sha256');
  try {
    await makeFolder(dirname(path));
    const file = await open(aside, 'w');
    try {
      for await (const page of pages) {
        hash.update(page);
        await file.writeFile(page);
      }
      await file.sync();
    } finally {
      await file.close();
    }
    if (hash.digest('hex') !== version.sha256) throw notAsHashed(version.model);
    await rename(aside, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(aside, { force: true });
    throw archiveWriteError(error, path);
  }
}

function notAsHashed(model: string): MillraceError {
  return new MillraceError('model-not-published', `model "${model}": its file was written while it was read`, {
    remedy: 'Publish it again once it is whole: nobody was given anything of it.',
    retryable: true,
    httpStatus: 409,
  });
}

/**
 * A model's bytes as the archive's folder has them, held to their hash; null where the file is not there, or is another one.
 */
export async function archivedModel(
  archiveDir: string,
  version: Named & { readonly sizeBytes: number },
): Promise<Buffer<ArrayBuffer> | null> {
  if (!(await isArchived(archiveDir, version))) return null;
  const bytes = Buffer.alloc(version.sizeBytes);
  const hash = createHash('sha256');
  let at = 0;
  for await (const page of filePages(modelFile(archiveDir, version))) {
    if (at + page.length > bytes.length) return null;
    bytes.set(page, at);
    hash.update(page);
    at += page.length;
  }
  return at === bytes.length && hash.digest('hex') === version.sha256 ? bytes : null;
}

/** Of files that are being written none is as old. */
const ABANDONED_MS = 86_400_000;

/**
 * Removes what a process that died left beside the models, a day after it was written to last; gives their paths.
 *
 * @param nowMs of the clock that files are dated by
 */
export async function removeAbandoned(archiveDir: string, nowMs: number): Promise<string[]> {
  const folder = join(archiveDir, 'models');
  const found = await readdir(folder, { recursive: true, withFileTypes: true }).catch((error: unknown) => {
    if (isNotFound(error)) return [];
    throw error;
  });
  const removed: string[] = [];
  for (const entry of found) {
    if (!entry.isFile() || !entry.name.endsWith('.part')) continue;
    const path = join(entry.parentPath, entry.name);
    // Renamed or removed by its writer meanwhile: no harm.
    const found = await stat(path).catch(() => null);
    if (found === null || nowMs - found.mtimeMs < ABANDONED_MS) continue;
    await rm(path, { force: true });
    removed.push(path);
  }
  return removed;
}
