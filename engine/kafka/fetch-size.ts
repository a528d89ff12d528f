import type { MemoryBudget } from '../memory/memory-budget.ts';
import type { MemoryAmount } from '../memory/memory-shares.ts';
import { STRETCH_HEAP_BYTES } from './record-set.ts';

/** What a loop with nothing to catch up asks for: many of them wait for records at once, and what they ask for is reserved meanwhile. */
const LEAST_BYTES = 128 * 1024;
/** While a response comes in, its pieces are held beside the whole. */
const WHILE_COMING_IN = 2;
/** Requests of so many loops fit beside each other. */
const LOOPS = 16;

/** Of what is there for records on their way in, the most that one record batch may take: the other half is for the response it came in. */
export function mostBatchBytes(intake: MemoryBudget): number {
  return Math.floor(intake.limits.buffers / 2);
}

/**
 * How much a fetch loop asks a broker for: more as long as it is given that much. A broker may give one batch larger than that, which is then fetched
 * again with the memory reserved that it takes.
 */
export class FetchSize {
  readonly #limits: MemoryAmount;
  readonly #mostBytes: number;
  #ask: number;
  /** To be reserved beside: for a batch that could not be inflated. */
  #room = 0;
  /** Of a response that could not be held. */
  #payload = 0;

  /** @param mostBytes never to ask for more */
  constructor(intake: MemoryBudget, mostBytes: number) {
    this.#limits = intake.limits;
    this.#mostBytes = Math.max(1, Math.min(mostBytes, Math.floor(intake.limits.buffers / LOOPS / WHILE_COMING_IN)));
    this.#ask = Math.min(LEAST_BYTES, this.#mostBytes);
  }

  /** Bytes to ask for. */
  get ask(): number {
    return this.#ask;
  }

  /** What is to be reserved for it. */
  get reserve(): MemoryAmount {
    const buffers = Math.max(this.#ask * WHILE_COMING_IN, this.#payload) + this.#room;
    return {
      buffers: Math.min(buffers, this.#limits.buffers),
      heap: Math.min(STRETCH_HEAP_BYTES, this.#limits.heap),
    };
  }

  /** A response of so many bytes was read to its end. */
  worked(bytes: number): void {
    // The next ones are likely as large, where memory is as short.
    this.#room = Math.floor(this.#room / 2);
    this.#payload = Math.floor(this.#payload / 2);
    if (bytes * 2 >= this.#ask) this.#ask = Math.min(this.#ask * 2, this.#mostBytes);
    else if (bytes * 8 < this.#ask)
      this.#ask = Math.min(Math.max(LEAST_BYTES, Math.ceil(this.#ask / 2)), this.#mostBytes);
  }

  /** The response takes so many bytes, and they were not to be had. */
  tooLarge(bytes: number): void {
    this.#payload = Math.max(this.#payload, bytes);
    this.#ask = Math.min(this.#ask, LEAST_BYTES);
  }

  /** A batch needs so many bytes to be inflated, and they were not to be had. */
  needsRoom(bytes: number): void {
    this.#room = Math.max(this.#room, bytes);
    this.#ask = Math.min(this.#ask, LEAST_BYTES);
  }
}
