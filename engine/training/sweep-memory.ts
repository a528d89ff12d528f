import type { MemoryReservation } from '../memory/memory-budget.ts';
import type { MemoryAmount } from '../memory/memory-shares.ts';

/** What an export begins with: room for the keys and states of some hundred thousand entities. */
export const LEAST_EXPORT_MEMORY: MemoryAmount = { heap: 72 << 20, buffers: 48 << 20 };
/** Of those: decoded states and rows on their way; chunks on theirs. */
const HEAP_BESIDE_KEYS = 32 << 20;
const BUFFERS_BESIDE_STATES = 16 << 20;
/** Of the heap, over all views of a sweep: of what is beside keys, and what is taken beyond where it is to be had. Decoded states that are asked for again cost nothing. */
const DECODED_BYTES = 16 << 20;
const MORE_DECODED_BYTES = 64 << 20;
/** Taken at once, as a question per few events would be answered in kilobytes. */
const STEP_BYTES = 8 << 20;

/** What the keys and the states of a sweep may take: as much as an export's reservation has, and can be made to have. */
export class SweepMemory {
  readonly #held: MemoryReservation;
  readonly #mostBytes: number;
  #decodedBytes = DECODED_BYTES;

  /** @param mostBytes For tests: keys and states take no more than that, each half of it. */
  constructor(held: MemoryReservation, mostBytes = Number.POSITIVE_INFINITY) {
    this.#held = held;
    this.#mostBytes = mostBytes;
  }

  /** How many bytes of keys may be held at once, where so many are wanted. */
  forKeys(wanted: number): number {
    const most = Math.min(wanted, this.#mostBytes / 2);
    // What is to be had of what is lacking: all of it, a half, a quarter.
    for (
      let lacks = HEAP_BESIDE_KEYS + this.#decodedBytes - DECODED_BYTES + most - this.#held.heap;
      lacks > STEP_BYTES;
      lacks /= 2
    )
      if (this.#held.wanted('heap') > 0 || this.#held.grow('heap', lacks)) break;
    return Math.min(most, this.#held.heap - HEAP_BESIDE_KEYS - (this.#decodedBytes - DECODED_BYTES));
  }

  /** Whether states may take so much, which they then do; false too where others wait for memory that this export took beyond its least. */
  holdsStates(bytes: number): boolean {
    const held = this.#held;
    if (bytes > this.#mostBytes / 2 || held.wanted('buffers') > 0) return false;
    const lacks = BUFFERS_BESIDE_STATES + bytes - held.buffers;
    return lacks <= 0 || held.grow('buffers', Math.max(lacks, STEP_BYTES)) || held.grow('buffers', lacks);
  }

  /** Gives back what states had beyond what the export began with, where others wait for it. To be called when fewer are held. */
  settle(bytes: number): void {
    const spare = this.#held.buffers - Math.max(BUFFERS_BESIDE_STATES + bytes, LEAST_EXPORT_MEMORY.buffers);
    if (spare > 0 && this.#held.wanted('buffers') > 0) this.#held.shrink('buffers', spare);
  }

  /** What decoded states of each of so many views may take of the heap. To be asked after `forKeys`: keys save passes. */
  decodedBytes(views: number): number {
    const lacks = DECODED_BYTES + MORE_DECODED_BYTES - this.#decodedBytes;
    for (let more = lacks; more > STEP_BYTES; more /= 2) {
      if (!this.#held.grow('heap', more)) continue;
      this.#decodedBytes += more;
      break;
    }
    return Math.min(this.#decodedBytes / Math.max(1, views), this.#mostBytes / 2);
  }

  /** How large the pieces are that states are kept in: a few dozen of what there is room for. */
  get slabBytes(): number {
    return this.#mostBytes / 32;
  }
}
