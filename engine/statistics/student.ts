import { incompleteBeta } from './beta.ts';
import { Z_95 } from './wilson.ts';

/** From so many degrees on it is the normal distribution's, to seven digits. */
const AS_NORMAL = 2e7;

/**
 * Within so many errors 95 % of Student's distribution lie: by bisection of its integral, the incomplete beta function. More than 1.96, as an error is known
 * from few.
 *
 * @param degrees of freedom, at least 1; need not be whole
 * @example
 * student95(10); // 2.228…
 */
export function student95(degrees: number): number {
  if (!(degrees >= 1)) return Number.NaN;
  if (degrees > AS_NORMAL) return Z_95;
  let [low, high] = [Z_95, 12.8];
  for (;;) {
    const middle = (low + high) / 2;
    if (middle <= low || middle >= high) return middle;
    if (studentTails(middle, degrees) > 0.05) low = middle;
    else high = middle;
  }
}

/**
 * The chance that a number of Student's t distribution is farther from 0 than `t`, to either side.
 *
 * @example
 * studentTails(2.228138852, 10); // 0.05
 */
export function studentTails(t: number, degrees: number): number {
  if (t === Number.POSITIVE_INFINITY || t === Number.NEGATIVE_INFINITY) return 0;
  return incompleteBeta(degrees / (degrees + t * t), degrees / 2, 0.5);
}
