import { MillraceError } from '../errors/millrace-error.ts';
import type { RawRecord } from '../topic/log-reader.ts';
import { decompress } from './codecs.ts';
import { crc32c } from './crc32c.ts';

/** A transaction the broker says was aborted: the records of this producer from this offset up to its abort marker. */
export interface AbortedTransaction {
  readonly producerId: bigint;
  readonly firstOffset: number;
}

export interface DecodedRecords {
  /** Committed data records at or after the position, in offset order. */
  readonly records: RawRecord[];
  /** One past the last whole batch, control and aborted and compacted ones included; the position where there is none. */
  readonly nextOffset: number;
  /** Base offset of the first batch, or null where there is none. */
  readonly firstBaseOffset: number | null;
}

// Layout of a record batch (magic 2): https://kafka.apache.org/documentation/#recordbatch
const LENGTH_AT = 8;
const MAGIC_AT = 16;
const CRC_AT = 17;
const ATTRIBUTES_AT = 21;
const LAST_OFFSET_DELTA_AT = 23;
const BASE_TIMESTAMP_AT = 27;
const MAX_TIMESTAMP_AT = 35;
const PRODUCER_ID_AT = 43;
const COUNT_AT = 57;
const RECORDS_AT = 61;

const CODEC_MASK = 0x07;
const LOG_APPEND_TIME = 0x08;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;
const ABORT_MARKER = 0;

/** The producer of the first batch of a record set, which may be cut off after its head; null where there is none, or none with an id. */
export function producerIdOf(set: Buffer): bigint | null {
  if (set.length < RECORDS_AT || set.readInt8(MAGIC_AT) !== 2) return null;
  const producerId = set.readBigInt64BE(PRODUCER_ID_AT);
  return producerId < 0n ? null : producerId;
}

/**
 * Decodes the record set a broker returned for one partition, read-committed: records of aborted transactions and control records are
 * passed over but move `nextOffset`. A cut-off batch at the tail is left for the next fetch.
 *
 * Unlike kafkajs's own decoder it checks each batch's CRC, follows aborted transactions per batch and producer (any number may overlap),
 * recognises markers by the control flag and not by a key's bytes, passes batches that compaction emptied, and has no limit on the
 * number of records in a batch.
 *
 * Throws `log-corrupt`, `unsupported-codec`, `unsupported-message-format`.
 */
export function decodeRecordSet(
  set: Buffer,
  partition: number,
  position: number,
  aborted: readonly AbortedTransaction[],
  headers = false,
): DecodedRecords {
  const records: RawRecord[] = [];
  const pending = [...aborted].sort((a, b) => a.firstOffset - b.firstOffset);
  const abortedProducers = new Set<bigint>();
  let nextOffset = position;
  let firstBaseOffset: number | null = null;
  let at = 0;
  while (at + RECORDS_AT <= set.length) {
    const size = LENGTH_AT + 4 + set.readInt32BE(at + LENGTH_AT);
    if (at + size > set.length) break;
    const magic = set.readInt8(at + MAGIC_AT);
    if (magic !== 2) throw oldFormat(partition, magic);
    const baseOffset = safeOffset(set.readBigInt64BE(at));
    firstBaseOffset ??= baseOffset;
    if (crc32c(set, at + ATTRIBUTES_AT, at + size) !== set.readUInt32BE(at + CRC_AT))
      throw corrupt(partition, baseOffset, 'its CRC does not match');
    const attributes = set.readInt16BE(at + ATTRIBUTES_AT);
    const lastOffset = baseOffset + set.readInt32BE(at + LAST_OFFSET_DELTA_AT);
    while (pending.length > 0 && pending[0]!.firstOffset <= lastOffset)
      abortedProducers.add(pending.shift()!.producerId);
    if (lastOffset >= position) {
      const producerId = set.readBigInt64BE(at + PRODUCER_ID_AT);
      if ((attributes & CONTROL) !== 0) {
        if (controlType(set, at, size) === ABORT_MARKER) abortedProducers.delete(producerId);
      } else if ((attributes & TRANSACTIONAL) === 0 || !abortedProducers.has(producerId)) {
        decodeBatch(set, at, size, attributes, baseOffset, partition, position, headers, records);
      }
      nextOffset = lastOffset + 1;
    }
    at += size;
  }
  return { records, nextOffset, firstBaseOffset };
}

/** Type of the one record of a control batch: its key is (version int16, type int16). Control batches are never compressed. */
function controlType(set: Buffer, at: number, size: number): number | null {
  if (set.readInt32BE(at + COUNT_AT) === 0) return null;
  const cursor = new VarintCursor(set, at + RECORDS_AT, at + size);
  cursor.readVarint(); // record length
  cursor.position += 1; // attributes
  cursor.readVarint(); // timestamp delta
  cursor.readVarint(); // offset delta
  const keyLength = cursor.readVarint();
  return keyLength >= 4 ? set.readInt16BE(cursor.position + 2) : null;
}

function decodeBatch(
  set: Buffer,
  at: number,
  size: number,
  attributes: number,
  baseOffset: number,
  partition: number,
  position: number,
  headers: boolean,
  out: RawRecord[],
): void {
  const count = set.readInt32BE(at + COUNT_AT);
  if (count === 0) return;
  const baseTimestampMs = Number(set.readBigInt64BE(at + BASE_TIMESTAMP_AT));
  const appendTimeMs = (attributes & LOG_APPEND_TIME) !== 0 ? Number(set.readBigInt64BE(at + MAX_TIMESTAMP_AT)) : null;
  const section = set.subarray(at + RECORDS_AT, at + size);
  const bytes = decompress(attributes & CODEC_MASK, section);
  const cursor = new VarintCursor(bytes, 0, bytes.length);
  try {
    for (let index = 0; index < count; index++) {
      const length = cursor.readVarint();
      const end = cursor.position + length;
      cursor.position += 1; // record attributes: none defined
      const timestampDelta = cursor.readVarint();
      const offset = baseOffset + cursor.readVarint();
      const key = cursor.readBytes();
      const value = cursor.readBytes();
      if (end > bytes.length || cursor.position > end)
        throw new RangeError(`record ${index} of ${count} ends beyond its length`);
      const timestampUs = (appendTimeMs ?? baseTimestampMs + timestampDelta) * 1000;
      if (offset >= position) {
        if (headers) out.push({ partition, offset, timestampUs, key, value, headers: readHeaders(cursor, end) });
        else out.push({ partition, offset, timestampUs, key, value });
      }
      cursor.position = end;
    }
  } catch (cause) {
    if (cause instanceof RangeError) throw corrupt(partition, baseOffset, cause.message);
    throw cause;
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

/** Reads zigzag varints; doubles hold every value up to 2^53, beyond which no offset delta, length or timestamp of Kafka goes. */
class VarintCursor {
  readonly #bytes: Buffer;
  readonly #end: number;
  position: number;

  constructor(bytes: Buffer, start: number, end: number) {
    this.#bytes = bytes;
    this.position = start;
    this.#end = end;
  }

  readVarint(): number {
    const bytes = this.#bytes;
    let byte = bytes[this.position++]!;
    if (byte < 0x80) return (byte >>> 1) ^ -(byte & 1);
    let value = byte & 0x7f;
    let scale = 128;
    do {
      if (this.position >= this.#end) throw new RangeError('a varint runs beyond its batch');
      byte = bytes[this.position++]!;
      value += (byte & 0x7f) * scale;
      scale *= 128;
    } while (byte >= 0x80);
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** A length-prefixed byte string, without copying; null for length -1. */
  readBytes(): Buffer | null {
    const length = this.readVarint();
    if (length < 0) return null;
    const start = this.position;
    if (start + length > this.#end) throw new RangeError('a key or value runs beyond its batch');
    this.position = start + length;
    return this.#bytes.subarray(start, this.position);
  }
}

/** Offsets are numbers in Millrace, checked safe (engine/topic/README.md). */
export function safeOffset(offset: bigint): number {
  const value = Number(offset);
  if (!Number.isSafeInteger(value)) {
    throw new MillraceError('log-corrupt', `offset ${offset} is beyond the safe integers`, {
      remedy: 'Check the broker.',
    });
  }
  return value;
}

function corrupt(partition: number, baseOffset: number, why: string): MillraceError {
  return new MillraceError(
    'log-corrupt',
    `the record batch at partition ${partition}, offset ${baseOffset} is damaged: ${why}`,
    {
      remedy: 'Check the broker disks and the network; a damaged batch is never read past.',
      details: { partition, baseOffset },
    },
  );
}

function oldFormat(partition: number, magic: number): MillraceError {
  return new MillraceError(
    'unsupported-message-format',
    `partition ${partition} holds messages of format ${magic}; expected 2 (Kafka 0.11 and later)`,
    {
      remedy: 'Copy the topic with a current producer.',
      details: { partition, magic },
    },
  );
}
