import { type BlockTags, TAG_BITS, TAG_MASK } from './block-tags.ts';

/** Full at this load; made anew at that one. Between them a claim takes 28 to 32 bytes, and a segment is copied about eight times per claim it gains. */
const FULL = 0.85;
const ANEW = 0.75;
const SPARE = 16;

/** A claim's cell: the four words of its id's hash, its time's lower 32 bits, and above its block's tag the time's upper 12. Tag 0: free. */
const WORDS = 6;
const TIME_LOW = 4;
const MARK = 5;

/** Times are kept in 44 bits (203 days) from their block's base. */
export const TIME_SPAN_US = 2 ** 44;

/** Blocks that somebody holds: 1 at their tags. */
export type HeldTags = Uint8Array;

/** Told of a claim: its id's hash is four words of `words` from `from` on, during the call. */
export type VisitClaim = (words: Uint32Array, from: number, timeUs: number, tag: number) => void;

/**
 * A part of a table of claims: open addressing, linear probing, in one flat array that costs the garbage collector nothing. One id may have a claim in each
 * of several blocks. Claims of blocks that have ended lie there until their room is needed.
 */
export class ClaimSegment {
  #capacity = 0;
  #cells = new Uint32Array(0);
  #size = 0;

  /** @param expected Claims it will hold for now. */
  constructor(expected = 0) {
    this.#empty(expected);
  }

  /** Its claims, those of ended blocks included. */
  get size(): number {
    return this.#size;
  }

  /** What it takes of memory. */
  get bytes(): number {
    return this.#cells.byteLength;
  }

  /** Whether a block of `held` has a claim of this id at or after `fromUs`. */
  has(a: number, b: number, c: number, d: number, fromUs: number, held: HeldTags, tags: BlockTags): boolean {
    const cells = this.#cells;
    const end = cells.length;
    for (let at = homeSlot(b, this.#capacity) * WORDS; ; ) {
      const mark = cells[at + MARK] as number;
      if (mark === 0) return false;
      if (cells[at] === a && cells[at + 1] === b && cells[at + 2] === c && cells[at + 3] === d) {
        const tag = mark & TAG_MASK;
        if (held[tag] === 1 && timeUs(mark, cells[at + TIME_LOW] as number, tags) >= fromUs) return true;
      }
      at += WORDS;
      if (at === end) at = 0;
    }
  }

  /** Adds a claim of a block. `sinceBaseUs`: its time since the block's base, below `TIME_SPAN_US`. */
  add(a: number, b: number, c: number, d: number, sinceBaseUs: number, tag: number, tags: BlockTags): void {
    if (this.#size + 1 > this.#capacity * FULL) this.keepLive(tags, 1);
    this.#put(a, b, c, d, sinceBaseUs >>> 0, ((Math.floor(sinceBaseUs / 4294967296) << TAG_BITS) | tag) >>> 0, tags);
    tags.added(tag);
  }

  /** Drops claims of ended blocks, where there are any. `more`: claims it is to have room for. */
  keepLive(tags: BlockTags, more = 0): void {
    const live = this.#countLive(tags);
    if (live === this.#size && more === 0) return;
    const cells = this.#cells;
    this.#empty(live + more);
    this.#take(cells, tags, 0, 0, true);
  }

  /** Two segments of its live claims: those of ids without this bit in their first word, and those with it. */
  split(bit: number, tags: BlockTags): [ClaimSegment, ClaimSegment] {
    const cells = this.#cells;
    let ones = 0;
    for (let at = 0; at < cells.length; at += WORDS) {
      const tag = (cells[at + MARK] as number) & TAG_MASK;
      if (tag !== 0 && ((cells[at] as number) & bit) !== 0 && tags.isLive(tag)) ones++;
    }
    const halves: [ClaimSegment, ClaimSegment] = [
      new ClaimSegment(this.#countLive(tags) - ones),
      new ClaimSegment(ones),
    ];
    halves[0].#take(cells, tags, bit, 0, true);
    halves[1].#take(cells, tags, bit, bit, false);
    return halves;
  }

  /** Calls `visit` with each claim of a block of `held`. */
  forEach(held: HeldTags, tags: BlockTags, visit: VisitClaim): void {
    const cells = this.#cells;
    for (let at = 0; at < cells.length; at += WORDS) {
      const mark = cells[at + MARK] as number;
      const tag = mark & TAG_MASK;
      if (tag === 0 || held[tag] !== 1) continue;
      visit(cells, at, timeUs(mark, cells[at + TIME_LOW] as number, tags), tag);
    }
  }

  #countLive(tags: BlockTags): number {
    const cells = this.#cells;
    let live = 0;
    for (let at = MARK; at < cells.length; at += WORDS) {
      const tag = (cells[at] as number) & TAG_MASK;
      if (tag !== 0 && tags.isLive(tag)) live++;
    }
    return live;
  }

  #empty(expected: number): void {
    this.#capacity = Math.ceil(expected / ANEW) + SPARE;
    this.#cells = new Uint32Array(this.#capacity * WORDS);
    this.#size = 0;
  }

  #put(a: number, b: number, c: number, d: number, low: number, mark: number, tags: BlockTags): void {
    const cells = this.#cells;
    const end = cells.length;
    let at = homeSlot(b, this.#capacity) * WORDS;
    for (;;) {
      const tag = (cells[at + MARK] as number) & TAG_MASK;
      if (tag === 0) {
        this.#size++;
        break;
      }
      if (!tags.isLive(tag)) {
        tags.dropped(tag);
        break;
      }
      at += WORDS;
      if (at === end) at = 0;
    }
    cells[at] = a;
    cells[at + 1] = b;
    cells[at + 2] = c;
    cells[at + 3] = d;
    cells[at + TIME_LOW] = low;
    cells[at + MARK] = mark;
  }

  /** Adds the live ones that have `bit` of `mask` in their first word. `drops`: tells of those that are not. */
  #take(from: Uint32Array, tags: BlockTags, mask: number, bit: number, drops: boolean): void {
    for (let at = 0; at < from.length; at += WORDS) {
      const word = from[at + MARK] as number;
      const tag = word & TAG_MASK;
      if (tag === 0) continue;
      if (!tags.isLive(tag)) {
        if (drops) tags.dropped(tag);
        continue;
      }
      const a = from[at] as number;
      if ((a & mask) >>> 0 !== bit) continue;
      this.#put(a, from[at + 1]!, from[at + 2]!, from[at + 3]!, from[at + TIME_LOW]!, word, tags);
    }
  }
}

function timeUs(mark: number, low: number, tags: BlockTags): number {
  return tags.baseUs(mark & TAG_MASK) + (mark >>> TAG_BITS) * 4294967296 + low;
}

/**
 * Where an id is looked for first. Another order at every capacity: ids that come in the order of a smaller table would all crowd its beginning. The
 * product's upper part is as in Lemire, "Fast random integer generation in an interval" (2019): any capacity, no division.
 */
function homeSlot(word: number, capacity: number): number {
  const mixed = Math.imul(word, 0x9e3779b1 + 2 * capacity) >>> 0;
  return Math.floor((mixed * capacity) / 4294967296);
}
