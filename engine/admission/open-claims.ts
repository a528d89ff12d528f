import { MOST_CLAIMS } from './claim-block.ts';

const FIRST_ROOM = 32;

/** The claims of a block that is not full yet, in the order they were made: at most `MOST_CLAIMS`, each id once, with its newest time. */
export class OpenClaims {
  #words = new Uint32Array(FIRST_ROOM * 4);
  #times = new Float64Array(FIRST_ROOM);
  /** Where a claim lies, counted from 1; twice as many as there are claims at most; 0: free. */
  #index = new Uint16Array(FIRST_ROOM * 2);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** What they take of memory. */
  get bytes(): number {
    return this.#words.byteLength + this.#times.byteLength + this.#index.byteLength;
  }

  /** Their hashes, four words each, in their order; valid until the next claim. */
  get words(): Uint32Array {
    return this.#words.subarray(0, this.#size * 4);
  }

  /** Their times, µs, in their order; valid until the next claim. */
  get timesUs(): Float64Array {
    return this.#times.subarray(0, this.#size);
  }

  /** The time of the claim of an id, NaN where it has none. */
  get(a: number, b: number, c: number, d: number): number {
    const at = this.#index[this.#slot(a, b, c, d)] as number;
    return at === 0 ? Number.NaN : (this.#times[at - 1] as number);
  }

  /** Adds the claim of an id, or sets its time where it has one. */
  set(a: number, b: number, c: number, d: number, timeUs: number): void {
    if (this.#size === this.#times.length) this.#grow();
    const slot = this.#slot(a, b, c, d);
    const known = this.#index[slot] as number;
    if (known !== 0) {
      this.#times[known - 1] = timeUs;
      return;
    }
    const at = this.#size * 4;
    this.#words[at] = a;
    this.#words[at + 1] = b;
    this.#words[at + 2] = c;
    this.#words[at + 3] = d;
    this.#times[this.#size] = timeUs;
    this.#index[slot] = ++this.#size;
  }

  /** Forgets them all. */
  clear(): void {
    this.#size = 0;
    this.#words = new Uint32Array(FIRST_ROOM * 4);
    this.#times = new Float64Array(FIRST_ROOM);
    this.#index = new Uint16Array(FIRST_ROOM * 2);
  }

  #slot(a: number, b: number, c: number, d: number): number {
    const index = this.#index;
    const words = this.#words;
    const mask = index.length - 1;
    for (let slot = b & mask; ; slot = (slot + 1) & mask) {
      const claim = index[slot] as number;
      if (claim === 0) return slot;
      const at = (claim - 1) * 4;
      if (words[at] === a && words[at + 1] === b && words[at + 2] === c && words[at + 3] === d) return slot;
    }
  }

  #grow(): void {
    const room = Math.min(this.#times.length * 2, MOST_CLAIMS);
    const words = new Uint32Array(room * 4);
    const times = new Float64Array(room);
    words.set(this.#words);
    times.set(this.#times);
    this.#words = words;
    this.#times = times;
    this.#index = new Uint16Array(room * 2);
    for (let claim = 0; claim < this.#size; claim++) {
      const at = claim * 4;
      this.#index[this.#slot(words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!)] = claim + 1;
    }
  }
}
