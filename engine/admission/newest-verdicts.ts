import { type InvalidLimit, verdictsKept } from './verdict-ring.ts';

interface InvalidVerdict {
  readonly number: number;
  readonly offset: number;
}

/** The invalid records of a partition that its ring may still tell of, told in any order: those of the greatest numbers, as many as a ring holds. */
export class NewestVerdicts {
  readonly #kept: number;
  #verdicts: InvalidVerdict[] = [];

  constructor(limit: InvalidLimit) {
    this.#kept = verdictsKept(limit);
  }

  /** Each record once. */
  add(number: number, offset: number): void {
    this.#verdicts.push({ number, offset });
    if (this.#verdicts.length >= 2 * this.#kept) this.#verdicts = this.ascending();
  }

  /** By number. */
  ascending(): InvalidVerdict[] {
    return this.#verdicts.toSorted((a, b) => a.number - b.number).slice(-this.#kept);
  }
}
