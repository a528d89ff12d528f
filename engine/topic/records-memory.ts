import type { BatchMemory } from './log-reader.ts';

/** The counted memory of a batch's records: given back once, by `release`, or as the next batch is asked for where nobody keeps it. */
export class RecordsMemory implements BatchMemory {
  readonly bytes: number;
  #release: (() => void) | null;
  #isKept = false;

  constructor(bytes: number, release: () => void) {
    this.bytes = bytes;
    this.#release = release;
  }

  keep(): void {
    this.#isKept = true;
  }

  passed(): void {
    if (!this.#isKept) this.release();
  }

  release(): void {
    this.#release?.();
    this.#release = null;
  }
}
