import { gzipSync, zstdCompressSync } from 'node:zlib';
import { compressFrameSync } from 'lz4-napi';
import { compressSync } from 'snappy';

const XERIAL_BLOCK_BYTES = 32 * 1024;

/** Snappy blocks in the frame of snappy-java, as Java producers write them. */
function xerial(plain: Buffer): Buffer {
  const parts: Buffer[] = [Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00, 0, 0, 0, 1, 0, 0, 0, 1])];
  for (let at = 0; at < plain.length; at += XERIAL_BLOCK_BYTES) {
    const block = compressSync(plain.subarray(at, at + XERIAL_BLOCK_BYTES));
    const length = Buffer.alloc(4);
    length.writeInt32BE(block.length);
    parts.push(length, block);
  }
  return Buffer.concat(parts);
}

/** How each codec is written: its name, its id in a batch's attributes, and a writer. */
export const compressed: readonly (readonly [
  name: string,
  codec: number,
  compress: (plain: Buffer<ArrayBuffer>) => Buffer,
])[] = [
  ['none', 0, (plain) => plain],
  ['gzip', 1, (plain) => gzipSync(plain)],
  ['snappy', 2, (plain) => compressSync(plain)],
  ['snappy in frames', 2, xerial],
  ['lz4', 3, (plain) => compressFrameSync(plain)],
  ['zstd', 4, (plain) => zstdCompressSync(plain)],
];
