import type { SampleMoments } from '../evidence/exact-moments.ts';
import { hashFraction } from '../evidence/hash-fraction.ts';

/** So many units are held at most; of more every second one, then every fourth … by a hash of its key: the same ones in every process. */
const MOST_UNITS = 200_000;

interface Unit {
  readonly key: string;
  readonly counts: Float64Array;
  readonly sums: Float64Array;
}

interface Totals {
  units: number;
  means: number;
  squares: number;
}

/**
 * Means per unit over its decisions so far, and what is known of them over all units; of several measures at once. Decisions of one unit belong together: a
 * unit that decides a thousand times counts once. Of the set of decisions, but for the last bits of a double.
 *
 * @example
 * const means = new UnitMeans(1);
 * means.add('u1', [20]);
 * means.read(0); // { count: 1, mean: 20, variance: 0 }
 */
export class UnitMeans {
  readonly #measures: number;
  readonly #most: number;
  readonly #units = new Map<string, Unit>();
  readonly #totals: Totals[];
  #level = 0;

  constructor(measures: number, most = MOST_UNITS) {
    this.#measures = measures;
    this.#most = most;
    this.#totals = Array.from({ length: measures }, () => ({ units: 0, means: 0, squares: 0 }));
  }

  /** @param values one per measure; null: nothing of it is known */
  add(unit: string, values: readonly (number | null)[]): void {
    let held = this.#units.get(unit);
    if (held === undefined) {
      if (!this.#isSampled(unit)) return;
      held = { key: unit, counts: new Float64Array(this.#measures), sums: new Float64Array(this.#measures) };
      this.#units.set(unit, held);
    }
    for (const [measure, value] of values.entries()) {
      if (value === null || !Number.isFinite(value)) continue;
      this.#leave(held, measure);
      held.counts[measure]!++;
      held.sums[measure]! += value;
      this.#enter(held, measure);
    }
    while (this.#units.size > this.#most) this.#thin();
  }

  read(measure: number): SampleMoments {
    const { units, means, squares } = this.#totals[measure]!;
    if (units === 0) return { count: 0, mean: 0, variance: 0 };
    const mean = means / units;
    const variance = units < 2 ? 0 : Math.max(0, (squares - units * mean ** 2) / (units - 1));
    return { count: units, mean, variance };
  }

  #enter({ counts, sums }: Unit, measure: number, sign = 1): void {
    const count = counts[measure]!;
    if (count === 0) return;
    const totals = this.#totals[measure]!;
    const mean = sums[measure]! / count;
    totals.units += sign;
    totals.means += sign * mean;
    totals.squares += sign * mean ** 2;
  }

  #leave(unit: Unit, measure: number): void {
    this.#enter(unit, measure, -1);
  }

  #isSampled(unit: string): boolean {
    return this.#level === 0 || hashFraction('units', unit) < 2 ** -this.#level;
  }

  #thin(): void {
    this.#level++;
    for (const unit of this.#units.values()) {
      if (this.#isSampled(unit.key)) continue;
      for (let measure = 0; measure < this.#measures; measure++) this.#leave(unit, measure);
      this.#units.delete(unit.key);
    }
  }
}
