/**
 * What a compressed section takes once it is inflated, told before a byte of that is allocated: from what its codec writes down, or from the most that
 * its blocks can hold.
 *
 * Throws RangeError where the section ends within a header.
 *
 * @param codec 0 to 4, as in a batch's attributes; of others nothing is known, and they are not inflated
 * @returns bytes: at most so many, but for a gzip section of several members or of 4 GB
 * @example
 * decompressedSize(2, section); // 18_000
 */
export function decompressedSize(codec: number, section: Buffer): number {
  switch (codec) {
    case 1:
      return gzipSize(section);
    case 2:
      return snappySize(section);
    case 3:
      return lz4Most(section);
    case 4:
      return zstdMost(section);
    default:
      return section.length;
  }
}

/** The stream header of snappy-java, which Java producers write around raw snappy blocks. */
const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const XERIAL_HEADER_BYTES = 16;

/** The raw blocks of a snappy section, framed by snappy-java or not. Throws RangeError for one that runs beyond it. */
export function* snappyBlocks(section: Buffer): Generator<Buffer> {
  if (section.length < XERIAL_HEADER_BYTES || !section.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC)) {
    yield section;
    return;
  }
  let at = XERIAL_HEADER_BYTES;
  while (at < section.length) {
    const length = section.readInt32BE(at);
    at += 4;
    if (length < 0 || at + length > section.length)
      throw new RangeError(`snappy block of ${length} bytes at ${at} of ${section.length}`);
    yield section.subarray(at, at + length);
    at += length;
  }
}

/** The last four bytes of a member: its size modulo 2^32. A section of several members, or of more, holds more than that. */
function gzipSize(section: Buffer): number {
  return section.readUInt32LE(section.length - 4);
}

function snappySize(section: Buffer): number {
  let bytes = 0;
  for (const block of snappyBlocks(section)) bytes += leadingVarint(block);
  return bytes;
}

function leadingVarint(block: Buffer): number {
  let value = 0;
  for (let at = 0, weight = 1; at < 5; at++, weight *= 128) {
    const byte = block.readUInt8(at);
    value += (byte & 127) * weight;
    if (byte < 128) return value;
  }
  throw new RangeError('a snappy block whose length has more than five bytes');
}

const SKIPPABLE_MAGIC = 0x184d2a50;

function isSkippable(magic: number): boolean {
  return (magic & 0xfffffff0) >>> 0 === SKIPPABLE_MAGIC;
}

const LZ4_MAGIC = 0x184d2204;
/** An lz4 sequence of one byte more stands for up to 255 bytes more. */
const LZ4_MOST_RATIO = 255;

// https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md
function lz4Most(section: Buffer): number {
  let most = 0;
  let at = 0;
  while (at < section.length) {
    const magic = section.readUInt32LE(at);
    if (isSkippable(magic)) {
      at += 8 + section.readUInt32LE(at + 4);
      continue;
    }
    if (magic !== LZ4_MAGIC) throw new RangeError(`no lz4 frame at ${at}`);
    const flags = section.readUInt8(at + 4);
    const blockMost = 4 ** ((section.readUInt8(at + 5) >> 4) & 7) * 256;
    at += 6 + ((flags & 0x08) !== 0 ? 8 : 0) + ((flags & 0x01) !== 0 ? 4 : 0) + 1;
    for (;;) {
      const head = section.readUInt32LE(at);
      at += 4;
      if (head === 0) break;
      const length = head & 0x7fffffff;
      most += head >>> 31 === 1 ? length : Math.min(blockMost, length * LZ4_MOST_RATIO);
      at += length + ((flags & 0x10) !== 0 ? 4 : 0);
    }
    if ((flags & 0x04) !== 0) at += 4;
  }
  return most;
}

const ZSTD_MAGIC = 0xfd2fb528;
const ZSTD_BLOCK_MOST = 128 * 1024;

// RFC 8878
function zstdMost(section: Buffer): number {
  let most = 0;
  let at = 0;
  while (at < section.length) {
    const magic = section.readUInt32LE(at);
    if (isSkippable(magic)) {
      at += 8 + section.readUInt32LE(at + 4);
      continue;
    }
    if (magic !== ZSTD_MAGIC) throw new RangeError(`no zstd frame at ${at}`);
    const flags = section.readUInt8(at + 4);
    const isSingle = (flags & 0x20) !== 0;
    at += 5 + (isSingle ? 0 : 1) + [0, 1, 2, 4][flags & 3]!;
    const sizeBytes = [isSingle ? 1 : 0, 2, 4, 8][flags >> 6]!;
    const told = zstdContentSize(section, at, sizeBytes);
    at += sizeBytes;
    let blocks = 0;
    for (let isLast = false; !isLast; ) {
      const head = section.readUIntLE(at, 3);
      const length = head >> 3;
      const type = (head >> 1) & 3;
      isLast = (head & 1) === 1;
      blocks += type === 2 ? ZSTD_BLOCK_MOST : length;
      at += 3 + (type === 1 ? 1 : length);
    }
    most += told === null ? blocks : Math.min(told, blocks);
    if ((flags & 0x04) !== 0) at += 4;
  }
  return most;
}

function zstdContentSize(section: Buffer, at: number, sizeBytes: number): number | null {
  switch (sizeBytes) {
    case 1:
      return section.readUInt8(at);
    case 2:
      return section.readUInt16LE(at) + 256;
    case 4:
      return section.readUInt32LE(at);
    case 8:
      return Number(section.readBigUInt64LE(at));
    default:
      return null;
  }
}
