import { MillraceError } from '../errors/millrace-error.ts';
import { crc32c } from './crc32c.ts';
import { VarintCursor } from './varint-cursor.ts';

/** A transaction the broker says was aborted: the records of this producer from this offset up to its abort marker. */
export interface AbortedTransaction {
  readonly producerId: bigint;
  readonly firstOffset: number;
}

/** A batch of a record set, with its records as they are encoded. */
export interface RecordBatch {
  readonly partition: number;
  readonly baseOffset: number;
  /** Of the batch, whether or not a record has it. */
  readonly lastOffset: number;
  /** Data records in it that are given out: 0 of a control batch, an aborted one and one that compaction emptied. */
  readonly count: number;
  readonly codec: number;
  readonly baseTimestampMs: number;
  /** What counts as the timestamp of all its records; null: each has its own. */
  readonly appendTimeMs: number | null;
  /** The records, compressed by the codec. */
  readonly section: Buffer;
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
 * Walks through the record set a broker returned for one partition, read-committed: of aborted transactions and control batches no record is given
 * out, but they are passed. Batches wholly before the position are left out, and a cut-off one at the tail is left for the next fetch.
 *
 * Unlike kafkajs's own decoder it checks each batch's CRC, follows aborted transactions per batch and producer (any number may overlap),
 * recognises markers by the control flag and not by a key's bytes, passes batches that compaction emptied, and has no limit on the
 * number of records in a batch.
 *
 * Throws `log-corrupt`, `unsupported-message-format`.
 *
 * @example
 * for (const batch of recordBatches(fetched.recordSet, 0, 1_000, fetched.aborted)) console.log(batch.lastOffset, batch.count);
 */
export function* recordBatches(
  set: Buffer,
  partition: number,
  position: number,
  aborted: readonly AbortedTransaction[],
): Generator<RecordBatch> {
  const pending = [...aborted].sort((a, b) => a.firstOffset - b.firstOffset);
  const abortedProducers = new Set<bigint>();
  let at = 0;
  for (let size = sizeAt(set, at); size !== null; size = sizeAt(set, at)) {
    const magic = set.readInt8(at + MAGIC_AT);
    if (magic !== 2) throw oldFormat(partition, magic);
    const baseOffset = safeOffset(set.readBigInt64BE(at));
    if (crc32c(set, at + ATTRIBUTES_AT, at + size) !== set.readUInt32BE(at + CRC_AT))
      throw corruptBatch(partition, baseOffset, 'its CRC does not match');
    const attributes = set.readInt16BE(at + ATTRIBUTES_AT);
    const lastOffset = baseOffset + set.readInt32BE(at + LAST_OFFSET_DELTA_AT);
    while (pending.length > 0 && pending[0]!.firstOffset <= lastOffset)
      abortedProducers.add(pending.shift()!.producerId);
    if (lastOffset >= position) {
      const producerId = set.readBigInt64BE(at + PRODUCER_ID_AT);
      const isControl = (attributes & CONTROL) !== 0;
      if (isControl && controlType(set, at, size) === ABORT_MARKER) abortedProducers.delete(producerId);
      const isAborted = (attributes & TRANSACTIONAL) !== 0 && abortedProducers.has(producerId);
      yield {
        partition,
        baseOffset,
        lastOffset,
        count: isControl || isAborted ? 0 : set.readInt32BE(at + COUNT_AT),
        codec: attributes & CODEC_MASK,
        baseTimestampMs: Number(set.readBigInt64BE(at + BASE_TIMESTAMP_AT)),
        appendTimeMs: (attributes & LOG_APPEND_TIME) === 0 ? null : Number(set.readBigInt64BE(at + MAX_TIMESTAMP_AT)),
        section: set.subarray(at + RECORDS_AT, at + size),
      };
    }
    at += size;
  }
}

/** Offset of the first batch of a set, before the position or after it; null where there is no whole one. */
export function firstBaseOffset(set: Buffer): number | null {
  return sizeAt(set, 0) === null ? null : safeOffset(set.readBigInt64BE(0));
}

/** Bytes of the batch there; null where it is cut off. */
function sizeAt(set: Buffer, at: number): number | null {
  if (at + RECORDS_AT > set.length) return null;
  const size = LENGTH_AT + 4 + set.readInt32BE(at + LENGTH_AT);
  return at + size > set.length ? null : size;
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

/** A batch that is not as the format says. */
export function corruptBatch(partition: number, baseOffset: number, why: string): MillraceError {
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
