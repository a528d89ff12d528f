/** What the header of a Parquet page says, as far as checksums go. */
export interface PageHeader {
  /** Where the header ends and the page begins. */
  readonly end: number;
  /** How long the page is, as it lies in the file. */
  readonly bytes: number;
  /** CRC-32 of the page, a signed word; undefined where the writer gave none. */
  readonly crc: number | undefined;
}

const I32 = 5;
const COMPRESSED_SIZE = 3;
const CRC = 4;

/** Reads page headers: Thrift structs of the compact protocol, of which only two numbers matter. */
export class PageHeaderReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** The header that begins at an offset; null where there is none. */
  read(from: number): PageHeader | null {
    this.#at = from;
    let field = 0;
    let size: number | undefined;
    let crc: number | undefined;
    for (;;) {
      const byte = this.#byte();
      if (byte === 0) break;
      if (byte === null) return null;
      const type = byte & 15;
      field = byte >>> 4 === 0 ? this.#zigzag() : field + (byte >>> 4);
      if (type === I32 && field === COMPRESSED_SIZE) size = this.#zigzag();
      else if (type === I32 && field === CRC) crc = this.#zigzag();
      else if (!this.#skip(type, 0)) return null;
    }
    return size === undefined || size < 0 ? null : { end: this.#at, bytes: size, crc };
  }

  #byte(): number | null {
    return this.#bytes[this.#at++] ?? null;
  }

  #varint(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.#byte() ?? 0;
      value += (byte & 127) * factor;
      if (byte < 128 || factor > 2 ** 63) return value;
    }
  }

  #zigzag(): number {
    const value = this.#varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** Passes over a value of a Thrift type; false where there is no such type. */
  #skip(type: number, depth: number): boolean {
    if (depth > 16) return false;
    switch (type) {
      case 1:
      case 2:
        return true;
      case 3:
        this.#at++;
        return true;
      case 4:
      case 5:
      case 6:
        this.#varint();
        return true;
      case 7:
        this.#at += 8;
        return true;
      case 8: {
        const length = this.#varint();
        this.#at += length;
        return this.#at <= this.#bytes.length;
      }
      case 9:
      case 10:
        return this.#skipList(depth);
      case 12:
        return this.#skipStruct(depth);
      default:
        return false;
    }
  }

  #skipList(depth: number): boolean {
    const byte = this.#byte();
    if (byte === null) return false;
    const count = byte >>> 4 === 15 ? this.#varint() : byte >>> 4;
    for (let item = 0; item < count; item++) if (!this.#skip(byte & 15, depth + 1)) return false;
    return true;
  }

  #skipStruct(depth: number): boolean {
    for (;;) {
      const byte = this.#byte();
      if (byte === 0) return true;
      if (byte === null) return false;
      if (byte >>> 4 === 0) this.#zigzag();
      if (!this.#skip(byte & 15, depth + 1)) return false;
    }
  }
}
