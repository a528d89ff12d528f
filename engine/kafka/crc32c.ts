const POLYNOMIAL = 0x82f63b78;

/** Eight tables of 256 entries: table k advances a byte by k further bytes, so that eight bytes are folded in per step. */
const tables = buildTables();

function buildTables(): Uint32Array[] {
  const first = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    first[byte] = crc >>> 0;
  }
  const all = [first];
  for (let k = 1; k < 8; k++) {
    const previous = all[k - 1]!;
    const next = new Uint32Array(256);
    for (let byte = 0; byte < 256; byte++) {
      const crc = previous[byte]!;
      next[byte] = ((crc >>> 8) ^ first[crc & 0xff]!) >>> 0;
    }
    all.push(next);
  }
  return all;
}

/**
 * CRC-32C (Castagnoli) of `bytes[start, end)`, as Kafka record batches carry it.
 *
 * @example
 * crc32c(Buffer.from('123456789'), 0, 9) // 0xe3069283
 */
export function crc32c(bytes: Uint8Array, start: number, end: number): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = tables as [
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
  ];
  let crc = 0xffffffff;
  let at = start;
  for (; at + 8 <= end; at += 8) {
    crc =
      t7[(crc ^ bytes[at]!) & 0xff]! ^
      t6[((crc >>> 8) ^ bytes[at + 1]!) & 0xff]! ^
      t5[((crc >>> 16) ^ bytes[at + 2]!) & 0xff]! ^
      t4[((crc >>> 24) ^ bytes[at + 3]!) & 0xff]! ^
      t3[bytes[at + 4]!]! ^
      t2[bytes[at + 5]!]! ^
      t1[bytes[at + 6]!]! ^
      t0[bytes[at + 7]!]!;
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ t0[(crc ^ bytes[at]!) & 0xff]!;
  return (crc ^ 0xffffffff) >>> 0;
}
