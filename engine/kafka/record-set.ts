import { MillraceError } from '../errors/millrace-error.ts';
import type { BatchMemory, RawRecord } from '../topic/log-reader.ts';
import { RECORD_HEAP_BYTES } from '../topic/record-bytes.ts';
import { decompress, gzipBytes, sizeOf } from './codecs.ts';
import { type AbortedTransaction, corruptBatch, type RecordBatch, recordBatches } from './record-batch.ts';
import { RecordCursor } from './record-cursor.ts';
import type { ResponseMemory, SharedBytes } from './response-memory.ts';

/** Records are given out in stretches of at most so many, and so many bytes or one record: what they take of memory is had a stretch at a time. */
const STRETCH_RECORDS = 1_024;
const STRETCH_BYTES = 512 * 1024;
export const STRETCH_HEAP_BYTES = STRETCH_RECORDS * RECORD_HEAP_BYTES;

/** The record set of one partition of a response. */
export interface RecordSet {
  readonly topic: string;
  readonly partition: number;
  readonly bytes: Buffer;
  /** Records before this offset are left out. */
  readonly position: number;
  readonly aborted: readonly AbortedTransaction[];
  readonly headers: boolean;
}

/** The memory that a set is read in. */
export interface SetMemory {
  readonly response: ResponseMemory;
  /** What the response itself takes, and its sets with it. */
  readonly payload: SharedBytes;
  /** The most that one batch may take inflated. */
  readonly mostBytes: number;
}

/** A stretch of a set: records in offset order, none where only control, aborted or compacted ones were passed. */
export interface Stretch {
  readonly records: RawRecord[];
  /** One past what was passed. */
  readonly nextOffset: number;
  readonly memory: BatchMemory;
}

/** Thrown where a batch cannot be inflated now: the memory for it is to be reserved with the next request. */
export class RoomNeeded extends Error {
  readonly bytes: number;

  constructor(bytes: number) {
    super(`${bytes} bytes of memory are needed to inflate a record batch`);
    this.bytes = bytes;
  }
}

/**
 * Reads the committed records of a set from its position on. What a batch takes inflated is counted before it is; its records are decoded as they are
 * asked for. The memory of a stretch is the caller's to give back.
 *
 * Throws `RoomNeeded`, `log-corrupt`, `unsupported-codec`, `unsupported-message-format`, `record-batch-too-large`.
 */
export async function* readRecordSet(set: RecordSet, memory: SetMemory): AsyncGenerator<Stretch> {
  const { response } = memory;
  let records: RawRecord[] = [];
  let shared = new Set<SharedBytes>();
  let bytes = 0;
  let passed = set.position;
  await response.takeHeap(STRETCH_HEAP_BYTES);
  const sealed = (nextOffset: number): Stretch => {
    const heapBytes = records.length * RECORD_HEAP_BYTES;
    const stretch = { records, nextOffset, memory: response.batch([...shared], heapBytes, bytes) };
    response.give('heap', STRETCH_HEAP_BYTES - heapBytes);
    records = [];
    shared = new Set();
    bytes = 0;
    passed = nextOffset;
    return stretch;
  };
  let holdsHeap = true;
  let failure = null as { readonly error: unknown } | null;
  try {
    let nextOffset = passed;
    for (const batch of recordBatches(set.bytes, set.partition, set.position, set.aborted)) {
      if (batch.count === 0) {
        nextOffset = batch.lastOffset + 1;
        continue;
      }
      const found = await inflate(set.topic, batch, memory).catch((error: unknown) => {
        failure = { error };
        return null;
      });
      if (found === null) break;
      nextOffset = batch.lastOffset + 1;
      const [plain, inflated] = found;
      try {
        const cursor = new RecordCursor(batch, plain, set.position, set.headers);
        while (!cursor.done) {
          if (!shared.has(inflated)) inflated.users++;
          shared.add(inflated);
          bytes += cursor.read(records, STRETCH_RECORDS, STRETCH_BYTES - bytes);
          if (records.length < STRETCH_RECORDS && bytes < STRETCH_BYTES) continue;
          if (records.length === 0) {
            bytes = 0; // all before the position
            continue;
          }
          holdsHeap = false;
          yield sealed(cursor.done ? nextOffset : records.at(-1)!.offset + 1);
          await response.takeHeap(STRETCH_HEAP_BYTES);
          holdsHeap = true;
        }
      } finally {
        response.done(inflated);
      }
    }
    if (nextOffset > passed) {
      holdsHeap = false;
      yield sealed(nextOffset);
    }
    // After what was there before it: so each request gets further.
    if (failure !== null) throw failure.error;
  } finally {
    for (const each of shared) response.done(each);
    if (holdsHeap) response.give('heap', STRETCH_HEAP_BYTES);
  }
}

/** The batch's records, plain, and what holds them; one user of that is the caller. */
async function inflate(
  topic: string,
  batch: RecordBatch,
  { response, payload, mostBytes }: SetMemory,
): Promise<[Buffer, SharedBytes]> {
  const { codec, section, partition, baseOffset } = batch;
  if (codec === 0) {
    payload.users++;
    return [section, payload];
  }
  let most = sizeOf(codec, section);
  for (;;) {
    if (most > mostBytes) throw tooLargeBatch(topic, partition, baseOffset, most, mostBytes);
    if (!response.take('buffers', most)) throw new RoomNeeded(most);
    let taken = most;
    try {
      const plain = decompress(codec, section, most);
      if (plain !== null) {
        const bytes = Math.min(most, plain.buffer.byteLength);
        taken -= bytes;
        return [plain, { bytes, users: 1 }];
      }
    } finally {
      response.give('buffers', taken);
    }
    if (codec !== 1) throw corruptBatch(partition, baseOffset, 'it inflates to more than it says');
    most = await gzipBytes(section, mostBytes);
  }
}

/** A batch that does not fit into what is there for records on their way in, ever. */
export function tooLargeBatch(
  topic: string,
  partition: number,
  offset: number,
  bytes: number,
  mostBytes: number,
): MillraceError {
  return new MillraceError(
    'record-batch-too-large',
    `${topic}, partition ${partition}: the record batch at offset ${offset} takes ${inMb(bytes)} of memory; one may take ${inMb(mostBytes)}`,
    {
      remedy:
        'Raise MILLRACE_MEMORY_MB: a batch may take a twelfth of it or more. Or have the producer send smaller batches (batch.size, max.request.size).',
      details: { topic, partition, offset, bytes, mostBytes },
    },
  );
}

function inMb(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MB`;
}
