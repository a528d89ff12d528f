const SLOTS = 4096;

/**
 * Reads DuckDB's inlined strings (at most 12 bytes) and remembers them: codes, names and enums come back as the one string they are,
 * without being made again. A column of all different ones (ids) is noticed and read without the detour.
 */
export class ShortStrings {
  readonly #keys = new Int32Array(SLOTS * 4);
  readonly #texts = new Array<string>(SLOTS).fill('');
  #isWorthIt = true;

  /**
   * Reads a vector's strings into `out`; those longer than 12 bytes by `readLong`.
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
    readLong: (row: number) => unknown,
  ): void {
    const keys = this.#keys;
    const texts = this.#texts;
    const isWorthIt = this.#isWorthIt;
    let misses = 0;
    for (let row = 0; row < count; row++) {
      if (valid !== null && (((valid[row >>> 5] as number) >>> (row & 31)) & 1) === 0) {
        out[row] = null;
        continue;
      }
      const at = row * 4;
      const length = words[at] as number;
      if (length > 12) {
        out[row] = readLong(row);
        continue;
      }
      if (!isWorthIt) {
        out[row] = inlined(words, bytes, at, length);
        continue;
      }
      const a = words[at + 1] as number;
      const b = words[at + 2] as number;
      const c = words[at + 3] as number;
      const slot =
        (Math.imul(a ^ (length << 27), 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b) ^ Math.imul(c, 0xc2b2ae35)) >>> 20;
      const key = slot * 4;
      if (keys[key] === length && keys[key + 1] === a && keys[key + 2] === b && keys[key + 3] === c) {
        out[row] = texts[slot];
        continue;
      }
      misses++;
      const text = inlined(words, bytes, at, length);
      keys[key] = length;
      keys[key + 1] = a;
      keys[key + 2] = b;
      keys[key + 3] = c;
      texts[slot] = text;
      out[row] = text;
    }
    if (count > 512 && misses * 4 > count * 3) this.#isWorthIt = false;
  }
}

function inlined(words: Int32Array, bytes: Buffer, at: number, length: number): string {
  const start = at * 4 + 4;
  const highBits = ((words[at + 1] as number) | (words[at + 2] as number) | (words[at + 3] as number)) & 0x80808080;
  return bytes.toString(highBits === 0 ? 'latin1' : 'utf8', start, start + length);
}
