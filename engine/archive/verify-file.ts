import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileDamaged, fileMissing, isNotFound } from './archive-errors.ts';
import { sha256Of } from './parquet-file.ts';

/** What the manifest says of a file. */
export interface KnownFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: Buffer;
}

/** Full path to the (size, time, digest) it was found to be whole at: a file is hashed once per process, and again when it is touched. */
const whole = new Map<string, string>();

/**
 * Checks that a file is there and is the one that was written. Throws `archive-file-missing`, `archive-file-damaged`.
 *
 * @param holds for the error: what the file holds
 */
export async function verifyFile(
  archiveDir: string,
  file: KnownFile,
  holds: { readonly what: string; readonly details: Readonly<Record<string, unknown>> },
): Promise<void> {
  const full = join(archiveDir, file.path);
  try {
    const { size, mtimeMs, ino } = await stat(full);
    if (size !== file.sizeBytes)
      throw fileDamaged(full, holds.what, `${size} bytes, expected ${file.sizeBytes}`, holds.details);
    const stamp = `${size}:${mtimeMs}:${ino}:${file.sha256.toString('hex')}`;
    if (whole.get(full) === stamp) return;
    whole.delete(full);
    const sha256 = await sha256Of(full);
    if (!sha256.equals(file.sha256))
      throw fileDamaged(
        full,
        holds.what,
        `sha256 ${sha256.toString('hex').slice(0, 12)}…, expected ${file.sha256.toString('hex').slice(0, 12)}…`,
        holds.details,
      );
    whole.set(full, stamp);
  } catch (error) {
    if (isNotFound(error)) throw fileMissing(full, holds.what, holds.details);
    throw error;
  }
}
