/** Full at this load; made anew at that one. Between them an id takes 28 to 32 bytes, and a segment is copied about eight times per id it gains. */
const FULL = 0.85;
const ANEW = 0.75;
const SPARE = 16;

/** A part of an id table: open addressing, linear probing, in flat arrays that cost the garbage collector nothing. */
export class IdSegment {
  #capacity = 0;
  #words = new Uint32Array(0);
  /** NaN: free. */
  #times = new Float64Array(0);
  #size = 0;

  /** @param expected Ids it will hold for now. */
  constructor(expected = 0) {
    this.#empty(expected);
  }

  get size(): number {
    return this.#size;
  }

  /** What it takes of memory. */
  get bytes(): number {
    return this.#words.byteLength + this.#times.byteLength;
  }

  /** The event time of an id, NaN where it is unknown. */
  get(a: number, b: number, c: number, d: number): number {
    return this.#times[this.#slot(a, b, c, d)] as number;
  }

  /** Sets the event time of an id. Where a new one needs room, those first seen before `floorUs` make it. */
  set(a: number, b: number, c: number, d: number, timeUs: number, floorUs: number): void {
    let slot = this.#slot(a, b, c, d);
    const before = this.#times[slot] as number;
    if (before !== before) {
      if (this.#size + 1 > this.#capacity * FULL) {
        this.#rebuild(floorUs);
        slot = this.#slot(a, b, c, d);
      }
      this.#size++;
      const at = slot * 4;
      this.#words[at] = a;
      this.#words[at + 1] = b;
      this.#words[at + 2] = c;
      this.#words[at + 3] = d;
    }
    this.#times[slot] = timeUs;
  }

  /** Two segments of its ids: those without this bit in their first word, and those with it. */
  split(bit: number): [IdSegment, IdSegment] {
    let ones = 0;
    for (let slot = 0; slot < this.#capacity; slot++) {
      const time = this.#times[slot] as number;
      if (time === time && (this.#words[slot * 4]! & bit) !== 0) ones++;
    }
    const halves: [IdSegment, IdSegment] = [new IdSegment(this.#size - ones), new IdSegment(ones)];
    for (const [at, half] of halves.entries())
      half.#take(this.#words, this.#times, Number.NEGATIVE_INFINITY, bit, at * bit);
    return halves;
  }

  /** Keeps only ids first seen at or after `floorUs`. */
  dropBefore(floorUs: number): void {
    if (this.countFrom(floorUs) < this.#size) this.#rebuild(floorUs);
  }

  /** How many were first seen at or after `fromUs`. */
  countFrom(fromUs: number): number {
    let count = 0;
    for (const time of this.#times) if (time >= fromUs) count++;
    return count;
  }

  /** Calls `visit` with each id first seen at or after `fromUs`; `words` is valid during the call. */
  forEachFrom(fromUs: number, visit: (words: Uint32Array, timeUs: number) => void): void {
    for (let slot = 0; slot < this.#capacity; slot++) {
      const time = this.#times[slot] as number;
      if (time >= fromUs) visit(this.#words.subarray(slot * 4, slot * 4 + 4), time);
    }
  }

  #slot(a: number, b: number, c: number, d: number): number {
    const words = this.#words;
    const times = this.#times;
    const capacity = this.#capacity;
    let slot = homeSlot(b, capacity);
    for (;;) {
      const time = times[slot] as number;
      if (time !== time) return slot;
      const at = slot * 4;
      if (words[at] === a && words[at + 1] === b && words[at + 2] === c && words[at + 3] === d) return slot;
      if (++slot === capacity) slot = 0;
    }
  }

  #empty(expected: number): void {
    this.#capacity = Math.ceil(expected / ANEW) + SPARE;
    this.#words = new Uint32Array(this.#capacity * 4);
    this.#times = new Float64Array(this.#capacity).fill(Number.NaN);
    this.#size = 0;
  }

  #rebuild(floorUs: number): void {
    const words = this.#words;
    const times = this.#times;
    this.#empty(this.countFrom(floorUs));
    this.#take(words, times, floorUs, 0, 0);
  }

  /** Adds those that have `bit` of `mask` in their first word. */
  #take(words: Uint32Array, times: Float64Array, floorUs: number, mask: number, bit: number): void {
    const ownWords = this.#words;
    const ownTimes = this.#times;
    const capacity = this.#capacity;
    for (let from = 0; from < times.length; from++) {
      const time = times[from] as number;
      const at = from * 4;
      if (!(time >= floorUs) || (words[at]! & mask) !== bit) continue;
      const b = words[at + 1]!;
      let slot = homeSlot(b, capacity);
      while (!Number.isNaN(ownTimes[slot])) if (++slot === capacity) slot = 0;
      const to = slot * 4;
      ownWords[to] = words[at]!;
      ownWords[to + 1] = b;
      ownWords[to + 2] = words[at + 2]!;
      ownWords[to + 3] = words[at + 3]!;
      ownTimes[slot] = time;
      this.#size++;
    }
  }
}

/**
 * Where an id is looked for first. Another order at every capacity: ids that come in the order of a smaller table would all crowd its beginning. The
 * product's upper part is as in Lemire, "Fast random integer generation in an interval" (2019): any capacity, no division.
 */
function homeSlot(word: number, capacity: number): number {
  const mixed = Math.imul(word, 0x9e3779b1 + 2 * capacity) >>> 0;
  return Math.floor((mixed * capacity) / 4294967296);
}
