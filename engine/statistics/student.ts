import { incompleteBeta } from './beta.ts';

/**
 * The chance that a number of Student's t distribution is farther from 0 than `t`, to either side.
 *
 * @example
 * studentTails(2.228138852, 10); // 0.05
 */
export function studentTails(t: number, freedom: number): number {
  if (t === Number.POSITIVE_INFINITY || t === Number.NEGATIVE_INFINITY) return 0;
  return incompleteBeta(freedom / (freedom + t * t), freedom / 2, 0.5);
}
