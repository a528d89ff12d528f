/**
 * What a record of the topic of models is. Value: `MRM1`, one byte of kind, four bytes of the header's length (big endian), the header (JSON, UTF-8),
 * and of a chunk its bytes.
 */
import { isName } from './model-name.ts';

const MAGIC = Buffer.from('MRM1');
const PREFIX = MAGIC.length + 1 + 4;
const CHUNK = 1;
const ANNOUNCEMENT = 2;

/** What a chunk holds of a file, in bytes. A record with its header is well below what Kafka takes by default (1 MB). */
export const CHUNK_BYTES = 512 * 1024;

/** A part of a model's file: the `index`th of `count`; all but the last have `CHUNK_BYTES`. */
export interface ModelChunk {
  readonly kind: 'chunk';
  readonly publishId: string;
  readonly index: number;
  readonly count: number;
  readonly bytes: Uint8Array;
}

/** That something about a model has changed: whoever follows it looks at its rows. */
export interface ModelAnnouncement {
  readonly kind: 'announcement';
  readonly model: string;
}

/** The value of a record. */
export function encodeModelRecord(record: ModelChunk | ModelAnnouncement): Buffer {
  const header =
    record.kind === 'chunk'
      ? { publish: record.publishId, index: record.index, count: record.count }
      : { model: record.model };
  const text = Buffer.from(JSON.stringify(header));
  const prefix = Buffer.alloc(PREFIX);
  MAGIC.copy(prefix);
  prefix.writeUInt8(record.kind === 'chunk' ? CHUNK : ANNOUNCEMENT, MAGIC.length);
  prefix.writeUInt32BE(text.length, MAGIC.length + 1);
  return Buffer.concat(record.kind === 'chunk' ? [prefix, text, record.bytes] : [prefix, text]);
}

/**
 * Reads a record; null for what is none of ours: whatever somebody else put on the topic is passed over, and what is missing then is told by the
 * count and the hash.
 */
export function decodeModelRecord(value: Uint8Array | null): ModelChunk | ModelAnnouncement | null {
  if (value === null || value.length < PREFIX) return null;
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) return null;
  const kind = bytes.readUInt8(MAGIC.length);
  const end = PREFIX + bytes.readUInt32BE(MAGIC.length + 1);
  if (end > bytes.length) return null;
  const header = parsed(bytes.toString('utf8', PREFIX, end));
  if (kind === ANNOUNCEMENT) {
    const { model } = header;
    return isName(model) ? { kind: 'announcement', model } : null;
  }
  const { publish, index, count } = header;
  if (kind !== CHUNK || typeof publish !== 'string' || !isWhole(index) || !isWhole(count) || index >= count)
    return null;
  return { kind: 'chunk', publishId: publish, index, count, bytes: bytes.subarray(end) };
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function isWhole(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
