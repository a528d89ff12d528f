import { type Interval, Z_95 } from './wilson.ts';

/** How far two numbers rise and fall together. */
export interface RankCorrelation {
  /** -1 to 1. */
  readonly correlation: number;
  /** 95 %. Of rows that are independent of each other. */
  readonly interval: Interval;
}

/**
 * Spearman's rank correlation, ties having the mean of their ranks, with its interval by Fisher's z and the error of Bonett & Wright
 * (Psychometrika 65, 2000). At ±1, where that has no width, it is the interval of 1 − 1/n. Null where one of the two is constant.
 *
 * @param x without NaN, as `y`; of one length
 * @example
 * rankCorrelation(Float64Array.of(1, 2, 3, 4), Float64Array.of(1, 4, 9, 16))?.correlation; // 1
 */
export function rankCorrelation(x: Float64Array, y: Float64Array): RankCorrelation | null {
  const [ranksX, ranksY] = [midranks(x), midranks(y)];
  const n = x.length;
  const middle = (n + 1) / 2;
  let xy = 0;
  let xx = 0;
  let yy = 0;
  for (let index = 0; index < n; index++) {
    const [a, b] = [ranksX[index]! - middle, ranksY[index]! - middle];
    xy += a * b;
    xx += a * a;
    yy += b * b;
  }
  if (xx === 0 || yy === 0) return null;
  const correlation = Math.max(-1, Math.min(1, xy / Math.sqrt(xx * yy)));
  return { correlation, interval: intervalOf(correlation, n) };
}

function intervalOf(correlation: number, n: number): Interval {
  if (n < 4) return { low: -1, high: 1 };
  const bound = 1 - 1 / n;
  const middle = Math.atanh(Math.max(-bound, Math.min(bound, correlation)));
  const half = Z_95 * Math.sqrt((1 + (correlation * correlation) / 2) / (n - 3));
  return {
    low: correlation === -1 ? -1 : Math.tanh(middle - half),
    high: correlation === 1 ? 1 : Math.tanh(middle + half),
  };
}

/** Of each value its place among all, from 1; of equal ones the mean of their places. */
export function midranks(values: Float64Array): Float64Array {
  const order = Uint32Array.from(values, (_, index) => index).sort((a, b) => values[a]! - values[b]!);
  const ranks = new Float64Array(values.length);
  for (let from = 0; from < order.length; ) {
    let until = from + 1;
    while (until < order.length && values[order[until]!] === values[order[from]!]) until++;
    const rank = (from + 1 + until) / 2;
    for (let at = from; at < until; at++) ranks[order[at]!] = rank;
    from = until;
  }
  return ranks;
}
