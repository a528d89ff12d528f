/** The types of Thrift's compact protocol that are looked at by name. */
export const THRIFT = { yes: 1, no: 2, i32: 5, list: 9, struct: 12 } as const;

/** Where a field of a struct stands, and what it is. */
export interface ThriftField {
  readonly id: number;
  readonly type: number;
  /** Of the byte that has its type, in the low half. */
  readonly at: number;
}

/** Steps through bytes of Thrift's compact protocol, which Parquet's footers and page headers are written in. */
export class CompactReader {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at = 0) {
    this.#bytes = bytes;
    this.#at = at;
  }

  get at(): number {
    return this.#at;
  }

  /** The next field of a struct, whose value is to be read or passed over; null at the struct's end, undefined where there is none. */
  field(before: number): ThriftField | null | undefined {
    const at = this.#at;
    const byte = this.#byte();
    if (byte === null) return undefined;
    if (byte === 0) return null;
    return { id: byte >>> 4 === 0 ? this.zigzag() : before + (byte >>> 4), type: byte & 15, at };
  }

  /** The head of a list: how many items, of which type. */
  list(): { readonly count: number; readonly type: number } | null {
    const byte = this.#byte();
    if (byte === null) return null;
    return { count: byte >>> 4 === 15 ? this.#varint() : byte >>> 4, type: byte & 15 };
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

  /** A whole number. */
  zigzag(): number {
    const value = this.#varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** Passes over a value of a Thrift type; false where there is no such type. */
  skip(type: number, depth = 0): boolean {
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
    const head = this.list();
    if (head === null) return false;
    for (let item = 0; item < head.count; item++) if (!this.skip(head.type, depth + 1)) return false;
    return true;
  }

  #skipStruct(depth: number): boolean {
    for (;;) {
      const field = this.field(0);
      if (field === null) return true;
      if (field === undefined || !this.skip(field.type, depth + 1)) return false;
    }
  }
}
