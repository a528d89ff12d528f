import type { ModelVersion } from '../postgres/model-versions.ts';
import type { LogReader } from '../topic/log-reader.ts';
import { archivedModel } from './model-archive.ts';
import { modelLost } from './model-errors.ts';
import { readChunks } from './read-chunks.ts';

/** Where models are read from. */
export interface ModelPlaces {
  /** Null: there is no Kafka here. */
  readonly reader: LogReader | null;
  /** Null: the archive's folder is not known here. */
  readonly archiveDir: string | null;
}

/**
 * The bytes of a version, whole and with the hash its row says: from the topic, else from the archive's folder. They take its size in memory, once.
 *
 * @throws MillraceError `model-lost` where neither has them; while Kafka is away what its reader throws, unless the archive has them
 * @example
 * const bytes = await fetchModel({ reader, archiveDir: null }, version);
 */
export async function fetchModel(
  { reader, archiveDir }: ModelPlaces,
  version: ModelVersion,
  signal?: AbortSignal,
): Promise<Buffer<ArrayBuffer>> {
  let why = 'there is no connection to Kafka here';
  let away: unknown = null;
  if (reader !== null) {
    const bytes = Buffer.alloc(version.sizeBytes);
    try {
      const read = await readChunks(reader, version, (chunk, at) => bytes.set(chunk, at), signal);
      if (!('lost' in read)) return bytes;
      why = read.lost;
    } catch (error) {
      signal?.throwIfAborted();
      away = error;
    }
  }
  const kept = archiveDir === null ? null : await archivedModel(archiveDir, version);
  if (kept !== null) return kept;
  if (away !== null) throw away;
  const archive =
    archiveDir === null ? "the archive's folder is not known here" : "the archive's folder does not have it either";
  throw modelLost(version, why, archive);
}
