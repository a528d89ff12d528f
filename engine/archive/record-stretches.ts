import type { DuckDBDataChunk } from 'duckdb';
import { rawColumn } from '../duckdb/raw-column.ts';
import { type IntakeWait, reserveIntake } from '../memory/intake-memory.ts';
import type { MemoryBudget } from '../memory/memory-budget.ts';
import { RECORD_HEAP_BYTES } from '../topic/record-bytes.ts';
import { RecordsMemory } from '../topic/records-memory.ts';
import type { BatchMemory, RawRecord } from '../topic/log-reader.ts';
import { addBlobBytes, readBlobs } from './blob-column.ts';

/** A stretch holds so many bytes of keys and values, or one record. */
const MOST_STRETCH_BYTES = 4 << 20;
/** Of what there is for records on their way in: reads of several files and topics go on beside each other. */
const STRETCH_SHARE = 1 / 16;

/** Records of one partition, copied out of a chunk. */
export interface RecordStretch {
  readonly records: RawRecord[];
  readonly memory: BatchMemory;
}

/**
 * Turns chunks of the five raw columns of an archived file into records: a stretch at a time, of one partition and of bounded bytes, whose memory is
 * reserved before it is copied.
 */
export class RecordStretches {
  readonly #topic: string;
  readonly #intake: MemoryBudget;
  readonly #wait: IntakeWait;
  readonly #mostBytes: number;
  readonly #readPartition = rawColumn('INTEGER');
  readonly #readOffset = rawColumn('BIGINT');
  readonly #readTimestamp = rawColumn('TIMESTAMP WITH TIME ZONE');
  readonly #partitions: number[] = [];
  readonly #offsets: number[] = [];
  readonly #timestamps: number[] = [];
  readonly #bytes: number[] = [];

  /** @param intake what is there for records on their way in */
  constructor(topic: string, intake: MemoryBudget, wait: IntakeWait) {
    this.#topic = topic;
    this.#intake = intake;
    this.#wait = wait;
    this.#mostBytes = Math.min(MOST_STRETCH_BYTES, intake.limits.buffers * STRETCH_SHARE);
  }

  /** Throws `memory-limit-too-small`; the signal's reason. */
  async *read(chunk: DuckDBDataChunk): AsyncGenerator<RecordStretch> {
    this.#readPartition(chunk, 0, this.#partitions);
    this.#readOffset(chunk, 1, this.#offsets);
    this.#readTimestamp(chunk, 2, this.#timestamps);
    const count = chunk.rowCount;
    for (let row = 0; row < count; row++) this.#bytes[row] = 0;
    addBlobBytes(chunk, 3, this.#bytes);
    addBlobBytes(chunk, 4, this.#bytes);
    for (let from = 0; from < count; ) {
      const { until, bytes } = this.#stretchFrom(from, count);
      const heap = Math.min((until - from) * RECORD_HEAP_BYTES, this.#intake.limits.heap);
      // The chunk is DuckDB's, and nothing counted is held here but what the reader of this log works off: the wait ends.
      const held = await reserveIntake(this.#intake, { buffers: bytes, heap }, `reading ${this.#topic}`, this.#wait);
      const memory = new RecordsMemory(bytes + heap, () => held.release());
      try {
        yield { records: this.#copied(chunk, from, until), memory };
      } finally {
        memory.passed();
      }
      from = until;
    }
  }

  #stretchFrom(from: number, count: number): { until: number; bytes: number } {
    const partition = this.#partitions[from];
    let bytes = this.#bytes[from]!;
    let until = from + 1;
    while (until < count && this.#partitions[until] === partition && bytes + this.#bytes[until]! <= this.#mostBytes)
      bytes += this.#bytes[until++]!;
    return { until, bytes };
  }

  #copied(chunk: DuckDBDataChunk, from: number, until: number): RawRecord[] {
    const keys: (Buffer | null)[] = [];
    const values: (Buffer | null)[] = [];
    readBlobs(chunk, 3, from, until, keys);
    readBlobs(chunk, 4, from, until, values);
    const records: RawRecord[] = [];
    for (let row = from; row < until; row++)
      records.push({
        partition: this.#partitions[row]!,
        offset: this.#offsets[row]!,
        timestampUs: this.#timestamps[row]!,
        key: keys[row]!,
        value: values[row]!,
      });
    return records;
  }
}
