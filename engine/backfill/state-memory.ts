import type { MemoryReservation } from '../memory/memory-budget.ts';
import type { MemoryAmount, MemoryPlace } from '../memory/memory-shares.ts';

/** What a backfill begins with: two blocks of events, the heap of its thread, and keys and states to begin with. */
export const LEAST_BACKFILL_MEMORY: MemoryAmount = { heap: 72 << 20, buffers: 48 << 20 };
/** Taken at once: a question per batch would be answered in kilobytes. */
const STEP_BYTES = 8 << 20;

/** What the states of a backfill may take: as much as its reservation has, and can be made to have. */
export class StateMemory {
  readonly #held: MemoryReservation;
  readonly #most: MemoryAmount;
  #keptHeap = 0;

  /** @param most For tests: never more than that. */
  constructor(held: MemoryReservation, most: Partial<MemoryAmount> = {}) {
    this.#held = held;
    this.#most = { heap: Number.POSITIVE_INFINITY, buffers: Number.POSITIVE_INFINITY, ...most };
  }

  /** Whether so much can be had, which it then is; false too where others wait for what this one has taken beyond its least. */
  holds(bytes: MemoryAmount): boolean {
    return this.#holds('heap', bytes.heap) && this.#holds('buffers', bytes.buffers);
  }

  /** Takes more of the heap for as long as the backfill runs, if it can be had and nobody waits for it; what it needs is so much more from then on. */
  keepHeap(bytes: number): boolean {
    const held = this.#held;
    if (this.#most.heap !== Number.POSITIVE_INFINITY || held.wanted('heap') > 0 || !held.grow('heap', bytes))
      return false;
    this.#keptHeap += bytes;
    return true;
  }

  /** Gives back all beyond what it began with, and what it has taken for good. */
  giveBack(): void {
    const { heap, buffers } = LEAST_BACKFILL_MEMORY;
    this.#held.shrink('heap', Math.max(0, this.#held.heap - heap - this.#keptHeap));
    this.#held.shrink('buffers', Math.max(0, this.#held.buffers - buffers));
  }

  /** Whether somebody waits for what it has taken beyond its least. */
  get isWanted(): boolean {
    return this.#held.wanted('heap') > 0 || this.#held.wanted('buffers') > 0;
  }

  #holds(place: MemoryPlace, bytes: number): boolean {
    const held = this.#held;
    if (bytes > this.#most[place] || held.wanted(place) > 0) return false;
    const lacks = bytes - held[place];
    return lacks <= 0 || held.grow(place, Math.max(lacks, STEP_BYTES)) || held.grow(place, lacks);
  }
}
