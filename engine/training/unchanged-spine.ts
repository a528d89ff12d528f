import { contentHash } from '../history/content-hash.ts';
import { type SpineFile, unreadableSpine } from './spine-file.ts';

/**
 * Reads a spine, more than once perhaps, and gives the hash of what was read. Throws MillraceError `spine-unreadable` where the file was changed
 * meanwhile: rows of two states of it would stand together, under the hash of one.
 */
export async function whileUnchanged<T>(
  file: SpineFile,
  signal: AbortSignal,
  read: () => Promise<T>,
): Promise<{ readonly sha256: string; readonly result: T }> {
  const { sha256 } = await contentHash(file.path, signal);
  const result = await read();
  if ((await contentHash(file.path, signal)).sha256 === sha256) return { sha256, result };
  throw unreadableSpine(file, 'it was changed while it was read', {
    remedy: 'Export again once it is written; write it aside and rename it, so that no reader finds it half done.',
  });
}
