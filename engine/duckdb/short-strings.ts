const SLOTS = 4096;

/** The value made of a text; undefined where there is none, which is asked again for every row it stands in. */
export type TextValue = (text: string) => unknown;

/**
 * Reads DuckDB's inlined strings (at most 12 bytes) and remembers what was made of them: codes, names and enums come back as the one value
 * they are, without being made or checked again. A column of all different ones (ids) is noticed and read without the detour.
 */
export class ShortStrings {
  readonly #keys = new Int32Array(SLOTS * 4);
  /** Undefined where nothing is known. */
  readonly #values = new Array<unknown>(SLOTS).fill(undefined);
  readonly #valueOf: TextValue;
  #isWorthIt = true;

  constructor(valueOf: TextValue) {
    this.#valueOf = valueOf;
  }

  /**
   * Reads a vector's strings into `out`; those longer than 12 bytes by `readLong`. NULL becomes null.
   *
   * @param words The vector's entries: 4 words each, the length in bytes first.
   * @param valid One bit per row; what the entry of a NULL holds is undefined.
   */
  read(
    words: Int32Array,
    bytes: Buffer,
    valid: Uint32Array | null,
    count: number,
    out: unknown[],
    readLong: (row: number) => string,
  ): void {
    if (this.#isWorthIt) this.#readKnown(words, bytes, valid, count, out, readLong);
    else this.#readDistinct(words, bytes, valid, count, out, readLong);
  }

  #readKnown(
    words: Int32Array,
    bytes: Buffer,
    valid: Uint32Array | null,
    count: number,
    out: unknown[],
    readLong: (row: number) => string,
  ): void {
    const keys = this.#keys;
    const values = this.#values;
    const valueOf = this.#valueOf;
    let misses = 0;
    for (let row = 0; row < count; row++) {
      if (isNull(valid, row)) {
        out[row] = null;
        continue;
      }
      const at = row * 4;
      const length = words[at] as number;
      if (length > 12) {
        out[row] = valueOf(readLong(row));
        continue;
      }
      const a = words[at + 1] as number;
      const b = words[at + 2] as number;
      const c = words[at + 3] as number;
      const slot =
        (Math.imul(a ^ (length << 27), 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b) ^ Math.imul(c, 0xc2b2ae35)) >>> 20;
      const key = slot * 4;
      if (keys[key] === length && keys[key + 1] === a && keys[key + 2] === b && keys[key + 3] === c) {
        const known = values[slot];
        if (known !== undefined) {
          out[row] = known;
          continue;
        }
      }
      misses++;
      const value = valueOf(inlined(words, bytes, at, length));
      out[row] = value;
      // An object could be changed by whoever gets it.
      if (typeof value === 'object') continue;
      keys[key] = length;
      keys[key + 1] = a;
      keys[key + 2] = b;
      keys[key + 3] = c;
      values[slot] = value;
    }
    if (count > 512 && misses * 4 > count * 3) this.#isWorthIt = false;
  }

  #readDistinct(
    words: Int32Array,
    bytes: Buffer,
    valid: Uint32Array | null,
    count: number,
    out: unknown[],
    readLong: (row: number) => string,
  ): void {
    const valueOf = this.#valueOf;
    // One text for the whole vector, to be cut up: a call per string would cost several times as much.
    const all = isAscii(words, valid, count) ? bytes.toString('latin1', 0, count * 16) : null;
    for (let row = 0; row < count; row++) {
      if (isNull(valid, row)) {
        out[row] = null;
        continue;
      }
      const at = row * 4;
      const length = words[at] as number;
      if (length > 12) out[row] = valueOf(readLong(row));
      else if (all === null) out[row] = valueOf(inlined(words, bytes, at, length));
      else out[row] = valueOf(all.substring(row * 16 + 4, row * 16 + 4 + length));
    }
  }
}

function isNull(valid: Uint32Array | null, row: number): boolean {
  return valid !== null && (((valid[row >>> 5] as number) >>> (row & 31)) & 1) === 0;
}

/** Whether all inlined strings are. */
function isAscii(words: Int32Array, valid: Uint32Array | null, count: number): boolean {
  let bits = 0;
  for (let row = 0; row < count; row++) {
    const at = row * 4;
    if ((words[at] as number) > 12 || isNull(valid, row)) continue;
    bits |= (words[at + 1] as number) | (words[at + 2] as number) | (words[at + 3] as number);
  }
  return (bits & 0x80808080) === 0;
}

function inlined(words: Int32Array, bytes: Buffer, at: number, length: number): string {
  const start = at * 4 + 4;
  const highBits = ((words[at + 1] as number) | (words[at + 2] as number) | (words[at + 3] as number)) & 0x80808080;
  return bytes.toString(highBits === 0 ? 'latin1' : 'utf8', start, start + length);
}
