import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type DuckDb, quoteText } from '../duckdb/duckdb.ts';
import { archiveWriteError } from './archive-errors.ts';
import { makeFolder } from './make-folder.ts';
import { syncFile, syncFolder } from './sync.ts';

export const ROW_GROUP_ROWS = 122_880;

/** A Parquet file that is written, synced and hashed, under its temporary name. */
export interface DraftFile {
  /** Relative to the archive's folder. */
  readonly path: string;
  readonly archiveDir: string;
  readonly sizeBytes: number;
  readonly sha256: Buffer;
}

const temporary = (path: string): string => `${path}.tmp`;

/**
 * Writes a query's rows as Parquet (zstd) under a temporary name and syncs it to disk. A draft that failed is removed.
 * Throws `archive-full` (retryable), `archive-not-writable`.
 *
 * @param metadata put into the file's own metadata under the key `millrace`
 * @param rowGroupRows fewer where rows are large: DuckDB holds a row group in memory
 */
export async function writeDraft(
  duckdb: DuckDb,
  archiveDir: string,
  path: string,
  select: string,
  metadata: unknown,
  rowGroupRows = ROW_GROUP_ROWS,
): Promise<DraftFile> {
  const full = join(archiveDir, temporary(path));
  try {
    await makeFolder(dirname(full));
    await duckdb.run(
      `COPY (${select}) TO ${quoteText(full)} (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 3, ROW_GROUP_SIZE ${rowGroupRows},
        KV_METADATA {millrace: ${quoteText(JSON.stringify(metadata))}})`,
    );
    const sizeBytes = await syncFile(full);
    return { path, archiveDir, sizeBytes, sha256: await sha256Of(full) };
  } catch (error) {
    await rm(full, { force: true }).catch(() => undefined); // the first error tells why; a sweep removes what is left
    throw archiveWriteError(error, full);
  }
}

/** Gives a draft its name, for good. Throws `archive-full`, `archive-not-writable`. */
export async function publishDraft({ archiveDir, path }: DraftFile): Promise<void> {
  const full = join(archiveDir, path);
  try {
    await rename(temporary(full), full);
    await syncFolder(dirname(full));
  } catch (error) {
    throw archiveWriteError(error, full);
  }
}

/** Removes a file that nothing names; one that is gone already is no failure. */
export async function removeFile(archiveDir: string, path: string): Promise<void> {
  await rm(join(archiveDir, path), { force: true });
}

export async function sha256Of(file: string): Promise<Buffer> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 })) hash.update(chunk as Buffer);
  return hash.digest();
}
