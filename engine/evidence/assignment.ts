import { hashFraction } from './hash-fraction.ts';
import type { VariantShare } from './variant-shares.ts';

/**
 * Where a unit stands among all, from 0 and below 1: the first 53 bits of sha256(salt ‖ 0 ‖ unit) over 2^53. Stable for as long as the salt is, on every
 * machine and in every language; of two salts independent.
 *
 * @param salt a rollout's own, without a character 0
 * @param unit the unit's key as text, whatever it holds
 * @example
 * placeOfUnit('s1', 'customer-7'); // always the same
 */
export function placeOfUnit(salt: string, unit: string): number {
  return hashFraction(salt, unit);
}

/**
 * Where a unit stands in one revision of a bandit: of sha256(salt ‖ 0 ‖ revision ‖ 0 ‖ unit). Each revision draws anew, so that what a unit met before
 * says nothing of what it meets next.
 *
 * @param revision a whole number
 */
export function drawOfUnit(salt: string, revision: number, unit: string): number {
  return hashFraction(salt, String(revision), unit);
}

/**
 * The variant that has a place. Variants have one interval each, in their order from 0 up; the last that has any share also takes what rounding leaves.
 * With the candidate first and what it is tried against second, a growing share moves units from the latter to the former, and none back.
 *
 * @param place from 0, below 1: `placeOfUnit`, `drawOfUnit`
 * @param shares as `checkShares` lets them pass
 * @example
 * variantAt(placeOfUnit(salt, unit), [{ variant: 'candidate', share: 0.1 }, { variant: 'against', share: 0.9 }]);
 */
export function variantAt(place: number, shares: readonly VariantShare[]): string {
  let bound = 0;
  let last = '';
  for (const { variant, share } of shares) {
    if (share === 0) continue;
    bound += share;
    if (place < bound) return variant;
    last = variant;
  }
  return last;
}
