import { createHash } from 'node:crypto';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { archiveWriteError, isNotFound } from '../archive/archive-errors.ts';
import { syncFolder } from '../archive/sync.ts';
import type { ModelVersion } from '../postgres/model-versions.ts';

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

/**
 * Puts a model's bytes into the archive's folder: written aside, synced, and renamed once they are whole. What stands there is left as it is.
 * Throws what the pages throw, and MillraceError `archive-full`, `archive-away`, `archive-not-writable`.
 *
 * @param own told apart from others that write the same file at once
 */
export async function archiveModel(
  archiveDir: string,
  version: Named & { readonly sizeBytes: number },
  pages: AsyncIterable<Uint8Array>,
  own: string,
): Promise<void> {
  if (await isArchived(archiveDir, version)) return;
  const path = modelFile(archiveDir, version);
  const aside = `${path}.${own}.part`;
  try {
    await mkdir(dirname(path), { recursive: true });
    const file = await open(aside, 'w');
    try {
      for await (const page of pages) await file.writeFile(page);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(aside, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(aside, { force: true });
    throw archiveWriteError(error, path);
  }
}

/**
 * A model's bytes as the archive's folder has them, held to their hash; null where the file is not there, or is another one.
 */
export async function archivedModel(
  archiveDir: string,
  version: Named & { readonly sizeBytes: number },
): Promise<Buffer | null> {
  if (!(await isArchived(archiveDir, version))) return null;
  const file = await open(modelFile(archiveDir, version), 'r');
  try {
    const bytes = Buffer.alloc(version.sizeBytes);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
    const isWhole = bytesRead === bytes.length && createHash('sha256').update(bytes).digest('hex') === version.sha256;
    return isWhole ? bytes : null;
  } finally {
    await file.close();
  }
}
