/** From `low` to `high`: where what was estimated lies, with the certainty that is said. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** Of the normal distribution: 95 % lie within so many standard deviations. */
export const Z_95 = 1.959963984540054;

/**
 * Wilson's interval: in which, with 95 %, the share of all lies of which `hits` of `of` were drawn. It is sound near 0 and 1 too, where it
 * says what a sample without any difference still leaves open.
 *
 * @example
 * wilson(0, 2000); // { low: 0, high: 0.0019… }
 */
export function wilson(hits: number, of: number): Interval {
  if (of === 0) return { low: 0, high: 1 };
  const share = hits / of;
  const weight = 1 + (Z_95 * Z_95) / of;
  const middle = (share + (Z_95 * Z_95) / (2 * of)) / weight;
  const half = (Z_95 / weight) * Math.sqrt((share * (1 - share)) / of + (Z_95 * Z_95) / (4 * of * of));
  return { low: hits === 0 ? 0 : Math.max(0, middle - half), high: hits === of ? 1 : Math.min(1, middle + half) };
}
