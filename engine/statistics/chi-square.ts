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
