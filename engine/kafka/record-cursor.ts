import type { RawRecord } from '../topic/log-reader.ts';
import { corruptBatch, type RecordBatch } from './record-batch.ts';
import { VarintCursor } from './varint-cursor.ts';

/** Decodes the records of a batch, a stretch at a time. Keys and values are parts of the inflated bytes, not copies. */
export class RecordCursor {
  readonly #batch: RecordBatch;
  readonly #bytes: Buffer;
  readonly #cursor: VarintCursor;
  readonly #position: number;
  readonly #headers: boolean;
  #index = 0;

  /**
   * @param bytes the batch's section, inflated
   * @param position records before this offset are left out
   */
  constructor(batch: RecordBatch, bytes: Buffer, position: number, headers: boolean) {
    this.#batch = batch;
    this.#bytes = bytes;
    this.#cursor = new VarintCursor(bytes, 0, bytes.length);
    this.#position = position;
    this.#headers = headers;
  }

  /** Whether all records were read. */
  get done(): boolean {
    return this.#index >= this.#batch.count;
  }

  /**
   * Appends records to `out` until it holds `mostRecords`, or this stretch has `mostBytes` and a record, or there are no more. Returns the bytes of the
   * stretch. Throws `log-corrupt`.
   */
  read(out: RawRecord[], mostRecords: number, mostBytes: number): number {
    const { partition, baseOffset, baseTimestampMs, appendTimeMs, count } = this.#batch;
    const cursor = this.#cursor;
    const from = cursor.position;
    try {
      for (; this.#index < count && out.length < mostRecords && cursor.position - from < mostBytes; this.#index++) {
        const length = cursor.readVarint();
        const end = cursor.position + length;
        cursor.position += 1; // record attributes: none defined
        const timestampDelta = cursor.readVarint();
        const offset = baseOffset + cursor.readVarint();
        const key = cursor.readBytes();
        const value = cursor.readBytes();
        if (end > this.#bytes.length || cursor.position > end)
          throw new RangeError(`record ${this.#index} of ${count} ends beyond its length`);
        const timestampUs = (appendTimeMs ?? baseTimestampMs + timestampDelta) * 1000;
        if (offset >= this.#position) {
          if (this.#headers)
            out.push({ partition, offset, timestampUs, key, value, headers: readHeaders(cursor, end) });
          else out.push({ partition, offset, timestampUs, key, value });
        }
        cursor.position = end;
      }
    } catch (cause) {
      if (cause instanceof RangeError) throw corruptBatch(partition, baseOffset, cause.message);
      throw cause;
    }
    return cursor.position - from;
  }
}

const noHeaders: ReadonlyMap<string, Uint8Array> = new Map();

function readHeaders(cursor: VarintCursor, end: number): ReadonlyMap<string, Uint8Array> {
  const count = cursor.readVarint();
  if (count === 0) return noHeaders;
  const headers = new Map<string, Uint8Array>();
  for (let index = 0; index < count; index++) {
    const name = cursor.readBytes();
    const value = cursor.readBytes();
    if (name === null || cursor.position > end)
      throw new RangeError(`header ${index} of ${count} ends beyond its record`);
    if (value === null) headers.delete(name.toString());
    else headers.set(name.toString(), value);
  }
  return headers;
}
