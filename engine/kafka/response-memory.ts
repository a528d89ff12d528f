import { invariant } from '../errors/millrace-error.ts';
import type { MemoryReservation } from '../memory/memory-budget.ts';
import type { MemoryPlace } from '../memory/memory-shares.ts';
import type { BatchMemory } from '../topic/log-reader.ts';
import { RecordsMemory } from '../topic/records-memory.ts';

/** Memory that several batches of records share: given back with the last of them. */
export interface SharedBytes {
  readonly bytes: number;
  users: number;
}

/**
 * The counted memory of one fetched response and of what is made of it: reserved before the request, given back as its records are done with.
 * What it holds beyond its use is its own to take from first; beyond that it grows, and never waits for others.
 */
export class ResponseMemory {
  readonly #reservation: MemoryReservation;
  readonly #spare: { heap: number; buffers: number };
  /** Batches of records in somebody's hands. */
  #batches = 0;
  #isOpen = true;
  #returned: (() => void)[] = [];

  constructor(reservation: MemoryReservation) {
    this.#reservation = reservation;
    this.#spare = { heap: reservation.heap, buffers: reservation.buffers };
  }

  /** Takes so many bytes; false where they are not to be had at once. */
  take(place: MemoryPlace, bytes: number): boolean {
    const lacking = bytes - this.#spare[place];
    if (lacking > 0) {
      if (!this.#reservation.grow(place, lacking)) return false;
      this.#spare[place] += Math.ceil(lacking);
    }
    this.#spare[place] -= bytes;
    return true;
  }

  /** Takes bytes of the heap, waiting where need be for records of this response to be done with; what it was reserved with is enough for one batch. */
  async takeHeap(bytes: number): Promise<void> {
    while (!this.take('heap', bytes)) {
      invariant(this.#batches > 0, 'a response waits for memory that nobody will give back');
      await new Promise<void>((resolve) => this.#returned.push(resolve));
    }
  }

  give(place: MemoryPlace, bytes: number): void {
    this.#spare[place] += bytes;
    if (place === 'heap') this.#wake();
    if (!this.#isOpen) this.#settle();
  }

  /**
   * The memory of records that are a user of each of `shared`, and for which so many bytes of the heap have been taken.
   *
   * @param ownBytes their part of what they share
   */
  batch(shared: readonly SharedBytes[], heapBytes: number, ownBytes: number): BatchMemory {
    this.#batches++;
    return new RecordsMemory(heapBytes + ownBytes, () => {
      this.#batches--;
      for (const each of shared) this.done(each);
      this.give('heap', heapBytes);
    });
  }

  /** One user less of shared bytes. */
  done(shared: SharedBytes): void {
    if (--shared.users === 0) this.give('buffers', shared.bytes);
  }

  /** Nothing more is made of the response: what is not in use goes back, now and from now on. */
  close(): void {
    this.#isOpen = false;
    this.#settle();
  }

  #settle(): void {
    if (this.#batches === 0) {
      this.#reservation.release();
      return;
    }
    for (const place of ['heap', 'buffers'] as const) {
      const bytes = Math.floor(this.#spare[place]);
      this.#spare[place] -= bytes;
      this.#reservation.shrink(place, bytes);
    }
  }

  #wake(): void {
    const waiting = this.#returned;
    this.#returned = [];
    for (const resolve of waiting) resolve();
  }
}
