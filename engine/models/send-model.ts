import { isMillraceError, MillraceError } from '../errors/millrace-error.ts';
import type { ModelPlace, ModelVersion } from '../postgres/model-versions.ts';
import type { Clock } from '../values/clock.ts';
import type { LogReader } from '../topic/log-reader.ts';
import type { LogWriter } from '../topic/log-writer.ts';
import { CHUNK_BYTES, encodeModelRecord } from './model-record.ts';
import { readChunks } from './read-chunks.ts';

/** How often a chunk is sent whose answer does not come. */
const TRIES = 5;

export interface SendOptions {
  readonly reader: LogReader;
  readonly writer: LogWriter;
  readonly topic: string;
  readonly clock: Clock;
  readonly publishId: string;
  readonly file: Pick<ModelVersion, 'model' | 'sha256' | 'sizeBytes'>;
  /** The file's bytes, in pieces of `CHUNK_BYTES`, the last one with the rest. */
  readonly pages: AsyncIterable<Uint8Array>;
  /** Told after each chunk that was acknowledged. */
  readonly onSent?: ((bytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Puts a model's bytes on the topic, one chunk after the other, each acknowledged before the next; then reads them back. What it gives is where they
 * were found, whole and with their hash.
 *
 * @throws MillraceError `model-topic-unfit`, `model-not-published`, and what reader and writer throw
 */
export async function sendModel(options: SendOptions): Promise<ModelPlace> {
  const { reader, writer, topic, clock, publishId, file, pages, onSent, signal } = options;
  const before = await modelTopic(reader, topic);
  const chunks = Math.ceil(file.sizeBytes / CHUNK_BYTES);
  const key = Buffer.from(file.model);
  let index = 0;
  let sent = 0;
  for await (const bytes of pages) {
    signal?.throwIfAborted();
    const value = encodeModelRecord({ kind: 'chunk', publishId, index, count: chunks, bytes });
    await sendSurely(writer, topic, { key, value, timestampMs: Math.floor(clock.nowUs() / 1000) });
    index++;
    sent += bytes.length;
    onSent?.(sent);
  }
  const after = await modelTopic(reader, topic);
  const place = {
    publishId,
    chunks,
    clusterId: before.clusterId,
    topic,
    fromOffset: before.endOffset,
    untilOffset: after.endOffset,
  };
  const read = await readChunks(reader, { ...file, ...place }, undefined, signal);
  if ('lost' in read) {
    throw new MillraceError('model-not-published', `model "${file.model}" on ${topic}: ${read.lost}`, {
      remedy:
        'Publish it again: nobody was given anything of it. Where its file was being written meanwhile, wait for that.',
      retryable: true,
      httpStatus: 409,
    });
  }
  return { ...place, ...read };
}

/** A chunk that was written although its answer was lost is written twice, and read once. */
async function sendSurely(
  writer: LogWriter,
  topic: string,
  record: Parameters<LogWriter['send']>[1][0],
): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await writer.send(topic, [record]);
    } catch (error) {
      if (!isMillraceError(error) || !error.retryable || tries === TRIES) throw error;
    }
  }
}

/** Where the topic of models ends now. Throws MillraceError `model-topic-unfit` for one of several partitions, and what the reader throws. */
async function modelTopic(reader: LogReader, topic: string): Promise<{ clusterId: string; endOffset: number }> {
  const { clusterId, partitions } = await reader.bounds(topic);
  const [only, ...more] = partitions;
  if (only !== undefined && more.length === 0) return { clusterId, endOffset: only.endOffset };
  throw new MillraceError(
    'model-topic-unfit',
    `topic ${topic} has ${partitions.length} partitions; expected one: models are found by their offsets in it`,
    {
      remedy: 'Delete it and publish again: it is made with one partition, retention.ms=-1 and cleanup.policy=delete.',
      details: { topic, partitions: partitions.length },
    },
  );
}
