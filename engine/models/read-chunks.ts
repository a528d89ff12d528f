import { createHash } from 'node:crypto';
import { isMillraceError } from '../errors/millrace-error.ts';
import type { ModelPlace, ModelVersion } from '../postgres/model-versions.ts';
import type { LogReader } from '../topic/log-reader.ts';
import { isNotHeld } from '../topic/topic-errors.ts';
import { CHUNK_BYTES, decodeModelRecord } from './model-record.ts';

/** What a model's file has to come to. */
type Expected = ModelPlace & Pick<ModelVersion, 'sha256' | 'sizeBytes'>;

/** The bytes that one publish put on the topic, and where they begin and end; or why they are not all there. */
export type ChunksRead = { readonly fromOffset: number; readonly untilOffset: number } | { readonly lost: string };

/**
 * Reads the chunks of one publish in order, whatever others put between them. A chunk that was sent again after a lost answer counts once. All of them are
 * there with the right hash, or it says what is wrong; only then is what `onChunk` was given of use. Throws what the reader does while Kafka is away.
 *
 * @param onChunk told of each chunk's bytes, and where in the file they begin; they are its own for as long as it takes
 */
export async function readChunks(
  reader: LogReader,
  expected: Expected,
  onChunk: (bytes: Uint8Array, at: number) => void = () => undefined,
  signal?: AbortSignal,
): Promise<ChunksRead> {
  const { topic, publishId, chunks, clusterId, fromOffset, untilOffset, sizeBytes } = expected;
  const why = await notHeld(reader, expected);
  if (why !== null) return { lost: why };
  const hash = createHash('sha256');
  const end = Math.ceil(sizeBytes / CHUNK_BYTES);
  if (end !== chunks) return { lost: `${chunks} chunks cannot be ${sizeBytes} bytes` };
  let next = 0;
  let first = fromOffset;
  let last = fromOffset;
  try {
    const range = { positions: new Map([[0, fromOffset]]), ends: new Map([[0, untilOffset]]) };
    for await (const { records } of reader.read({ topic, ...range, signal })) {
      for (const { offset, value } of records) {
        const record = decodeModelRecord(value);
        if (record?.kind !== 'chunk' || record.publishId !== publishId || record.index < next) continue;
        const at = record.index * CHUNK_BYTES;
        const isRight =
          record.index === next &&
          record.count === chunks &&
          record.bytes.length === Math.min(CHUNK_BYTES, sizeBytes - at);
        if (!isRight) return { lost: `chunk ${next} of ${chunks} is not there as it was sent` };
        if (next === 0) first = offset;
        last = offset;
        next++;
        hash.update(record.bytes);
        onChunk(record.bytes, at);
      }
    }
  } catch (error) {
    if (!isMillraceError(error) || !(isNotHeld(error) || error.code === 'topic-not-found')) throw error;
    return { lost: error.message };
  }
  signal?.throwIfAborted();
  if (next < chunks) return { lost: `it has ${next} of ${chunks} chunks on cluster ${clusterId}` };
  if (hash.digest('hex') !== expected.sha256) return { lost: 'what is there has another hash' };
  return { fromOffset: first, untilOffset: last + 1 };
}

/** Why the topic cannot have the chunks of a publish any more, by its bounds alone; null: it may. */
export async function notHeld(
  reader: LogReader,
  { topic, clusterId, fromOffset, untilOffset }: ModelPlace,
): Promise<string | null> {
  try {
    const bounds = await reader.bounds(topic);
    if (bounds.clusterId !== clusterId) return `the topic is on cluster ${bounds.clusterId}, and not on ${clusterId}`;
    const held = bounds.partitions.find(({ partition }) => partition === 0);
    if (held === undefined) return 'the topic has no partition 0';
    if (held.lowOffset > fromOffset) return `the topic begins at ${held.lowOffset}`;
    if (held.endOffset < untilOffset) return `the topic ends at ${held.endOffset}`;
    return null;
  } catch (error) {
    if (isMillraceError(error) && error.code === 'topic-not-found') return error.message;
    throw error;
  }
}
