import { CompactReader, THRIFT } from './compact-reader.ts';

/** What the header of a Parquet page says, as far as checksums go. */
export interface PageHeader {
  /** Where the header ends and the page begins. */
  readonly end: number;
  /** How long the page is, as it lies in the file. */
  readonly bytes: number;
  /** CRC-32 of the page, a signed word; undefined where the writer gave none. */
  readonly crc: number | undefined;
}

const COMPRESSED_SIZE = 3;
const CRC = 4;

/** Reads page headers, of which only two numbers matter. */
export class PageHeaderReader {
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** The header that begins at an offset; null where there is none. */
  read(from: number): PageHeader | null {
    const reader = new CompactReader(this.#bytes, from);
    let id = 0;
    let size: number | undefined;
    let crc: number | undefined;
    for (;;) {
      const field = reader.field(id);
      if (field === undefined) return null;
      if (field === null) break;
      id = field.id;
      if (field.type === THRIFT.i32 && id === COMPRESSED_SIZE) size = reader.zigzag();
      else if (field.type === THRIFT.i32 && id === CRC) crc = reader.zigzag();
      else if (!reader.skip(field.type)) return null;
    }
    return size === undefined || size < 0 ? null : { end: reader.at, bytes: size, crc };
  }
}
