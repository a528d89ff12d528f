import { crc32 } from 'node:zlib';
import { CODEC_VERSION, HEADER_BYTES } from './state-codec.ts';

const ZEROS = Buffer.alloc(1 << 16);

/** What every state of a layout begins with: the version of the encoding, and the layout's tag. */
export function stateHeader(tag: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(CODEC_VERSION, 0);
  header.writeUInt32BE(tag, 1);
  return header;
}

/**
 * What the checksum of a state changes by where another layout's tag is written into it: CRC-32 is linear, so that of two texts of a length
 * that differ in their header alone, the checksums differ by what only length and headers decide. A checksum that was wrong stays wrong.
 *
 * @param length of the whole state, in bytes
 * @returns signed 32 bits, to be XORed with the stored checksum
 * @example
 * const after = before ^ retaggedCrc(layoutTag(old), layoutTag(view.layout), state.length);
 */
export function retaggedCrc(from: number, to: number, length: number): number {
  return (crcOfHeader(from, length) ^ crcOfHeader(to, length)) | 0;
}

function crcOfHeader(tag: number, length: number): number {
  let crc = crc32(stateHeader(tag));
  for (let left = length - HEADER_BYTES; left > 0; left -= ZEROS.length)
    crc = crc32(ZEROS.subarray(0, Math.min(left, ZEROS.length)), crc);
  return crc;
}
