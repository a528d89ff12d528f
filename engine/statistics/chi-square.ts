import { upperGamma } from './gamma.ts';

/**
 * The chance that a χ² number of so many degrees of freedom is more than `statistic`.
 *
 * @example
 * chiSquareTail(10.828, 1); // 0.001
 */
export function chiSquareTail(statistic: number, freedom: number): number {
  return upperGamma(freedom / 2, statistic / 2);
}

/**
 * The bound that a χ² number of so many degrees of freedom exceeds with the chance `chance`, right to about 1e-12 of its size.
 *
 * @param chance above 0 and below 1
 * @param freedom positive
 * @example
 * chiSquareBound(0.05, 9); // 16.9190
 */
export function chiSquareBound(chance: number, freedom: number): number {
  if (!(chance > 0) || !(chance < 1) || !(freedom > 0)) return Number.NaN;
  let [low, high] = [0, Math.max(1, freedom)];
  while (chiSquareTail(high, freedom) > chance) [low, high] = [high, high * 2];
  while (high - low > high * 1e-13) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) break;
    if (chiSquareTail(middle, freedom) > chance) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
