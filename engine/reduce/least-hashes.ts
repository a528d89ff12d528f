import type { Collection } from './tile-rows.ts';

/** An object, an array, and the room that an array takes when it first grows. */
const OWN_BYTES = 232;
/** A number, and the half more that V8 makes room for. */
const BYTES_PER_HASH = 12;

/** The most bytes of memory that one value adds. */
export const MOST_HASHED_BYTES = OWN_BYTES + BYTES_PER_HASH;

/** The least hashes of a set of values, at most so many, ascending, each once: a function of the set, whatever the order. */
export class LeastHashes implements Collection {
  #hashes: number[];

  /** @param hashes become its own */
  constructor(hashes: number[]) {
    this.#hashes = hashes;
  }

  /** Not to be changed. */
  get hashes(): readonly number[] {
    return this.#hashes;
  }

  add(hash: number, most: number): void {
    const hashes = this.#hashes;
    const isFull = hashes.length === most;
    if (isFull && hash >= hashes[most - 1]!) return;
    let low = 0;
    let high = hashes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (hashes[middle]! < hash) low = middle + 1;
      else high = middle;
    }
    if (hashes[low] === hash) return;
    if (isFull) hashes.pop();
    if (low === hashes.length) hashes.push(hash);
    else hashes.splice(low, 0, hash);
  }

  merge({ hashes }: LeastHashes, most: number): void {
    this.#hashes = leastOf(this.#hashes, hashes, most);
  }

  copy(): LeastHashes {
    return new LeastHashes(this.#hashes.slice());
  }

  bytes(): number {
    return OWN_BYTES + this.#hashes.length * BYTES_PER_HASH;
  }
}

/** The least of both, at most so many, ascending, each once. */
export function leastOf(a: readonly number[], b: readonly number[], most: number): number[] {
  const merged: number[] = [];
  let inA = 0;
  let inB = 0;
  while (merged.length < most && (inA < a.length || inB < b.length)) {
    const nextA = a[inA] ?? Number.POSITIVE_INFINITY;
    const nextB = b[inB] ?? Number.POSITIVE_INFINITY;
    merged.push(Math.min(nextA, nextB));
    if (nextA <= nextB) inA++;
    if (nextB <= nextA) inB++;
  }
  return merged;
}
