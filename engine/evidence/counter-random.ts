import { hashFraction } from './hash-fraction.ts';

/**
 * The k-th number by chance of a unit, from 0 and below 1: of sha256(seed ‖ 0 ‖ unit ‖ 0 ‖ k). There is no state: whoever knows seed, unit and k, on
 * whatever machine and in whatever order, has the same number, so that what was decided by it is a function of the log.
 *
 * @param k a whole number from 0
 * @example
 * const explores = randomAt('2001-06', 'flight 7', 0) < 0.1;
 */
export function randomAt(seed: string, unit: string, k: number): number {
  return hashFraction(seed, unit, String(k));
}
