/** Of a normal distribution: its deviation by the median of distances from its median. */
const OF_NORMAL = 1.482602218505602;

/** The middle of some numbers, of two middle ones the mean; NaN of none. */
export function medianOf(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort();
  const half = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/**
 * How far numbers lie apart, undisturbed by outliers: the median of distances from the median (Hampel 1974), scaled so that it is the deviation of a
 * normal distribution. Half of the numbers but one may be anything.
 *
 * @example
 * robustSpread([1, 2, 3, 4, 1000]); // { middle: 3, spread: 1.4826… }
 */
export function robustSpread(values: readonly number[]): { readonly middle: number; readonly spread: number } {
  const middle = medianOf(values);
  return { middle, spread: OF_NORMAL * medianOf(values.map((value) => Math.abs(value - middle))) };
}
