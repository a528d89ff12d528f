import type { MemoryBudget } from '../memory/memory-budget.ts';
import type { RawRecord } from '../topic/log-reader.ts';
import type { FetchedPartition } from './fetch-response.ts';
import { FetchSize, mostBatchBytes } from './fetch-size.ts';
import type { FetchLimits, KafkaLink } from './kafka-link.ts';
import { readRecordSet, RoomNeeded, tooLargeBatch } from './record-set.ts';
import { ResponseMemory } from './response-memory.ts';

/** Where one record is looked for. */
export interface RecordPlace {
  readonly nodeId: number;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

export interface FetchedRecord {
  /** As the broker answered; undefined where it did not. */
  readonly fetched: Omit<FetchedPartition, 'recordSet'> | undefined;
  /** A copy of the first record at or after the offset; null where the broker gave none. */
  readonly record: RawRecord | null;
}

/** Asks a broker for one record. Throws what the link throws, `log-corrupt`, `unsupported-codec`, `unsupported-message-format`, `record-batch-too-large`. */
export async function fetchRecord(
  link: KafkaLink,
  place: RecordPlace,
  limits: FetchLimits,
  intake: MemoryBudget,
  signal?: AbortSignal,
): Promise<FetchedRecord> {
  const { topic, partition, offset } = place;
  const size = new FetchSize(intake, limits.maxBytes);
  const mostBytes = mostBatchBytes(intake);
  for (;;) {
    const reserved = await intake.reserve(size.reserve, `reading ${topic}`, { signal });
    const response = new ResponseMemory(reserved);
    try {
      const asked = { maxWaitMs: 0, maxBytes: size.ask, maxBytesPerPartition: size.ask };
      const { partitions, bytes } = await link.fetch(place.nodeId, topic, [[partition, offset]], asked);
      const [fetched] = partitions;
      if (fetched === undefined || fetched.errorCode !== 0) return { fetched, record: null };
      if (bytes > mostBytes) throw tooLargeBatch(topic, partition, offset, bytes, mostBytes);
      if (!response.take('buffers', bytes)) {
        size.tooLarge(bytes);
        continue;
      }
      const payload = { bytes, users: 1 };
      const { recordSet, aborted } = fetched;
      const set = { topic, partition, bytes: recordSet, position: offset, aborted, headers: false };
      try {
        for await (const { records, memory } of readRecordSet(set, { response, payload, mostBytes })) {
          const found = records[0];
          const record = found === undefined ? null : { ...found, key: copy(found.key), value: copy(found.value) };
          memory.release();
          if (record !== null) return { fetched, record };
        }
        return { fetched, record: null };
      } finally {
        response.done(payload);
      }
    } catch (error) {
      if (!(error instanceof RoomNeeded)) throw error;
      size.needsRoom(error.bytes);
    } finally {
      response.close();
    }
  }
}

function copy(bytes: Uint8Array | null): Uint8Array | null {
  return bytes === null ? null : Buffer.from(bytes);
}
