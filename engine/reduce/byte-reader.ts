import { MillraceError } from '../errors/millrace-error.ts';

/** No number of the codec is longer: the exact sum of 2^53 doubles has less than 2,200 bits. */
const LONGEST_VARINT = 400;

/** Where a long number is split: six bits of its first byte and six groups of seven. */
const SPLIT = 2 ** 48;

/** The error for bytes that are no canonical state. */
export function stateCorrupt(reason: string, at: number): MillraceError {
  return new MillraceError('state-corrupt', `a stored state is malformed at byte ${at}: ${reason}`, {
    remedy: 'Rebuild the view (rebackfill), and find out what wrote to its state table.',
    httpStatus: 500,
    details: { at, reason },
  });
}

/** Reads the codec's primitives (engine/state/README.md) and refuses every form that the writer would not have written. */
export class ByteReader {
  readonly #bytes: Buffer;
  #at: number;
  #longest = LONGEST_VARINT;
  #upper = 0;
  #lower = 0;
  #bit = 0;
  /** What `signedPair` found. */
  high = 0;
  low = 0;
  odd = false;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = at;
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  /** Throws `state-corrupt` at the present position. */
  corrupt(reason: string): never {
    throw stateCorrupt(reason, this.#at);
  }

  byte(): number {
    const value = this.#bytes[this.#at];
    if (value === undefined) this.corrupt('it ends too early');
    this.#at++;
    return value;
  }

  /** `u(n)`, refused beyond the safe integers. */
  unsigned(): number {
    const first = this.byte();
    if (first < 0x80) return first;
    const value = this.#varint(first);
    return typeof value === 'number' ? value : this.corrupt('a number is out of range');
  }

  /** `s(n)`: a number where safe, else a bigint. */
  signed(): number | bigint {
    const start = this.#at;
    if (this.#readHalf() && this.#upper < 32) {
      const half = this.#upper * SPLIT + this.#lower;
      // -2^53 alone is no safe integer.
      if (half < Number.MAX_SAFE_INTEGER) return this.#bit === 0 ? half : -half - 1;
    }
    const value = this.#varintBig(start);
    return narrow((value & 1n) === 0n ? value >> 1n : -(value >> 1n) - 1n);
  }

  /** `s(n)`, which may be longer than other numbers. */
  signedUpTo(longestBytes: number): number | bigint {
    this.#longest = longestBytes;
    const value = this.signed();
    this.#longest = LONGEST_VARINT;
    return value;
  }

  /**
   * `s(n)` of an n of at most 101 bits, as the non-overlapping pair of doubles `high + low`: true, and `high`, `low` and `odd` tell it. False, and
   * nothing is read, for a longer one: read that with `signed`.
   */
  signedPair(): boolean {
    const start = this.#at;
    if (!this.#readHalf()) {
      this.#at = start;
      return false;
    }
    const upper = this.#upper * SPLIT;
    const lower = this.#lower + this.#bit;
    const sign = this.#bit === 0 ? 1 : -1;
    const sum = upper + lower;
    this.odd = (lower & 1) === 1;
    this.high = sign * sum + 0;
    // Exact: `upper` is 0 or not less than `lower`.
    this.low = sign * (lower - (sum - upper)) + 0;
    return true;
  }

  /** `s(n)`, refused beyond the safe integers. */
  signedSafe(): number {
    const value = this.signed();
    return typeof value === 'number' ? value : this.corrupt('a number is out of range');
  }

  /** `u(zz(n) + 1)`, `null` for none: a number where safe, else a bigint. */
  signedOrNone(): number | bigint | null {
    const start = this.#at;
    if (this.#readHalf() && this.#upper < 32) {
      const half = this.#upper * SPLIT + this.#lower;
      if (this.#bit === 1) return half;
      return half === 0 ? null : -half;
    }
    const value = this.#varintBig(start);
    return narrow((value & 1n) === 1n ? value >> 1n : -(value >> 1n));
  }

  /** `length` bytes of valid UTF-8. */
  text(length: number): string {
    const end = this.#at + length;
    if (end > this.#bytes.length) this.corrupt('a text ends too early');
    const text = this.#bytes.toString('utf8', this.#at, end);
    // Invalid UTF-8 decodes to U+FFFD: only then is the exact comparison needed.
    if (text.includes('\ufffd') && !Buffer.from(text, 'utf8').equals(this.#bytes.subarray(this.#at, end))) {
      this.corrupt('a text is not UTF-8');
    }
    this.#at = end;
    return text;
  }

  /**
   * Reads a varint `2 · half + bit`, `half` in two parts: `upper · 2^48 + lower`. So signed numbers of up to 101 bits need no bigint.
   * False where `upper` is not safe.
   */
  #readHalf(): boolean {
    const first = this.byte();
    this.#upper = 0;
    this.#bit = first & 1;
    let lower = (first & 0x7f) >>> 1;
    if (first >= 0x80) {
      let scale = 64;
      let next = first;
      while (next >= 0x80 && scale < SPLIT) {
        next = this.byte();
        lower += (next & 0x7f) * scale;
        scale *= 128;
      }
      if (next >= 0x80) {
        next = this.byte();
        const upper = next < 0x80 ? next : this.#varint(next);
        if (typeof upper === 'bigint') return false;
        this.#upper = upper;
      }
      if (next === 0) this.corrupt('a number is not in its shortest form');
    }
    this.#lower = lower;
    return true;
  }

  /** The rest of a varint whose first byte has its continuation bit set. */
  #varint(first: number): number | bigint {
    const start = this.#at - 1;
    let value = first & 0x7f;
    let scale = 128;
    // 2^49 more is the last step that stays within 56 bits; what is not safe then is read again as a bigint.
    while (scale <= 0x2000000000000) {
      const next = this.byte();
      value += (next & 0x7f) * scale;
      if (next < 0x80) {
        if (next === 0) this.corrupt('a number is not in its shortest form');
        return Number.isSafeInteger(value) ? value : this.#varintBig(start);
      }
      scale *= 128;
    }
    return this.#varintBig(start);
  }

  #varintBig(start: number): bigint {
    this.#at = start;
    let value = 0n;
    let shift = 0n;
    let next = 0x80;
    while (next >= 0x80) {
      // Seven groups at a time fit a plain number.
      let chunk = 0;
      let scale = 1;
      let groups = 0;
      while (groups < 7 && next >= 0x80) {
        next = this.byte();
        chunk += (next & 0x7f) * scale;
        scale *= 128;
        groups++;
      }
      value |= BigInt(chunk) << shift;
      shift += 49n;
      if (this.#at - start > this.#longest) this.corrupt('a number is too long');
    }
    if (next === 0) this.corrupt('a number is not in its shortest form');
    return value;
  }
}

function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
