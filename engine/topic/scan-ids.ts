import { MillraceError } from '../errors/millrace-error.ts';
import type { MemoryBudget, MemoryReservation } from '../memory/memory-budget.ts';

/** Counted at once: every batch would count kilobytes. */
const STEP_BYTES = 1 << 20;

/**
 * What the ids of one read of a topic take of the process's memory. They can neither be spilled nor forgotten before their time: they are counted as
 * they come, though nothing may be free, and whoever can spill gives way.
 */
export class ScanIds {
  readonly #memory: MemoryBudget;
  readonly #what: string;
  #held: MemoryReservation | null = null;

  /** @param what Whose they are, for people. */
  constructor(memory: MemoryBudget, what: string) {
    this.#memory = memory;
    this.#what = what;
  }

  /** They take so many bytes now. Throws MillraceError `memory-limit-too-small` where they alone are more than there is. */
  count(bytes: number): void {
    const { buffers } = this.#memory.limits;
    if (bytes > buffers) {
      throw new MillraceError(
        'memory-limit-too-small',
        `${this.#what} within its horizon take ${inMb(bytes)}; of the memory of this process ${inMb(buffers)} are for all that is held outside of the heap`,
        { remedy: 'Raise MILLRACE_MEMORY_MB, or shorten `dedupeHorizon` of the source.', httpStatus: 500 },
      );
    }
    const held = this.#held?.buffers ?? 0;
    const wanted = Math.ceil(bytes / STEP_BYTES) * STEP_BYTES;
    if (wanted > held) {
      this.#held ??= this.#memory.overdraw({}, this.#what);
      this.#held.overdraw('buffers', wanted - held);
    } else if (wanted < held) this.#held?.shrink('buffers', held - wanted);
  }

  release(): void {
    this.#held?.release();
    this.#held = null;
  }
}

function inMb(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MB`;
}
