import { MillraceError } from '../errors/millrace-error.ts';
import type { MemoryReservation } from '../memory/memory-budget.ts';
import type { EntityEvent } from './entity-events.ts';

/** What an event takes of the heap beside its texts: its object, its key's and its inputs' arrays. */
export const EVENT_BYTES = 300;
const STEP_BYTES = 1 << 20;

/** Counts the events of one entity that are held all at once. */
export class HeldEvents {
  readonly #held: MemoryReservation;
  #bytes = 0;
  #events = 0;

  constructor(held: MemoryReservation) {
    this.#held = held;
  }

  /** Throws MillraceError `memory-limit-too-small` where there is no memory for one more. */
  count({ inputs, id }: Pick<EntityEvent, 'inputs' | 'id'>): void {
    this.#events++;
    this.#bytes += EVENT_BYTES + (id?.length ?? 0) * 2;
    for (const input of inputs) if (typeof input === 'string') this.#bytes += input.length * 2;
    const lacks = this.#bytes - this.#held.heap;
    if (lacks <= 0 || this.#held.grow('heap', Math.max(lacks, STEP_BYTES)) || this.#held.grow('heap', lacks)) return;
    throw new MillraceError(
      'memory-limit-too-small',
      `${this.#held.what} holds all events of the entity: ${this.#events} take ${Math.ceil(this.#bytes / STEP_BYTES)} MB, and there is no more memory`,
      { remedy: 'Raise MILLRACE_MEMORY_MB.', httpStatus: 500 },
    );
  }
}
