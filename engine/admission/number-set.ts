const BLOCK = 65_536;

/** A set of numbers of records or rows: a bit each, in blocks that are made when first needed, so that none is too many. */
export class NumberSet {
  readonly #blocks = new Map<number, Uint32Array>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** False where it is there already. */
  add(number: number): boolean {
    const key = Math.floor(number / BLOCK);
    let block = this.#blocks.get(key);
    if (block === undefined) this.#blocks.set(key, (block = new Uint32Array(BLOCK / 32)));
    const within = number - key * BLOCK;
    const bit = 1 << (within & 31);
    const word = within >>> 5;
    if ((block[word]! & bit) !== 0) return false;
    block[word]! |= bit;
    this.#size++;
    return true;
  }

  /** In ascending order. */
  *[Symbol.iterator](): Generator<number> {
    for (const key of [...this.#blocks.keys()].toSorted((a, b) => a - b)) {
      const block = this.#blocks.get(key)!;
      for (let word = 0; word < block.length; word++) {
        for (let bits = block[word]!; bits !== 0; bits &= bits - 1) {
          yield key * BLOCK + word * 32 + (31 - Math.clz32(bits & -bits));
        }
      }
    }
  }
}
