/** Numbers by their order. All but the ends are those of the first 10,000. */
export interface Quantiles {
  readonly min: number;
  readonly p05: number;
  readonly p25: number;
  readonly p50: number;
  readonly p75: number;
  readonly p95: number;
  readonly max: number;
}

/** Entities come in the order of their hashes: the first ones are a sample of all. */
const KEPT = 10_000;

/** Takes numbers, and says how they are spread. Of infinitely many it holds 10,000. */
export class NumberSpread {
  readonly #kept: number[] = [];
  #count = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = Number.NEGATIVE_INFINITY;

  get count(): number {
    return this.#count;
  }

  /** The first ones, as they came. */
  get kept(): readonly number[] {
    return this.#kept;
  }

  add(value: number): void {
    this.#count++;
    if (value < this.#min) this.#min = value;
    if (value > this.#max) this.#max = value;
    if (this.#kept.length < KEPT) this.#kept.push(value);
  }

  /** Null where there were none. */
  quantiles(): Quantiles | null {
    if (this.#count === 0) return null;
    return quantilesOf(Float64Array.from(this.#kept).sort(), this.#min, this.#max);
  }
}

/** The quantiles of sorted numbers, one at least. Each is one of them: the least that so large a part of them does not exceed. */
export function quantilesOf(sorted: Float64Array, min = sorted[0]!, max = sorted.at(-1)!): Quantiles {
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
  return { min, p05: at(0.05), p25: at(0.25), p50: at(0.5), p75: at(0.75), p95: at(0.95), max };
}
