import { createHash } from 'node:crypto';
import type { RawRecord } from './log-reader.ts';

/** The last record of a partition that was passed: tells a topic that was made again from the one we know. */
export interface Anchor {
  readonly offset: number;
  /** `recordDigest` of it. */
  readonly digest: Uint8Array;
}

/**
 * SHA-256 over a record's timestamp, key and value, each of the two with its length (-1 for null), so that no two records that
 * differ in any of them share their bytes. Offset and partition are not part of it: the anchor is looked up by them.
 */
export function recordDigest(record: Pick<RawRecord, 'timestampUs' | 'key' | 'value'>): Uint8Array {
  const head = new DataView(new ArrayBuffer(24));
  head.setFloat64(0, record.timestampUs);
  head.setFloat64(8, record.key?.length ?? -1);
  head.setFloat64(16, record.value?.length ?? -1);
  const hash = createHash('sha256').update(new Uint8Array(head.buffer));
  if (record.key !== null) hash.update(record.key);
  if (record.value !== null) hash.update(record.value);
  return hash.digest();
}
