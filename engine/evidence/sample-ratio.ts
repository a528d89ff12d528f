import { chiSquareTail } from '../statistics/chi-square.ts';
import type { VariantShare } from './variant-shares.ts';

/** How the units of the variants go with the shares that they were to have. */
export interface SampleRatio {
  /** χ², of one degree of freedom less than there are variants with a share. */
  readonly statistic: number;
  /** The chance of such a difference or a greater one where all is well. Null while it cannot be told: too few units. */
  readonly p: number | null;
  /** p < 0.001: units were lost or doubled by variant, and no effect is to be believed. */
  readonly isMismatch: boolean;
}

/** Below it a difference is a fault, and no chance. */
const ALARM = 0.001;
/** Of fewer expected units χ² is not near its distribution so far out. */
const LEAST_EXPECTED = 10;

/**
 * The χ² test of the sample ratio. Of one time: who looks at it every minute for days meets more than one false alarm in a thousand.
 *
 * @param units how many each variant has, by its name
 * @param shares what they were assigned by, as `checkShares` lets them pass
 * @example
 * sampleRatio(new Map([['a', 5200], ['b', 4800]]), [{ variant: 'a', share: 0.5 }, { variant: 'b', share: 0.5 }]).isMismatch; // true
 */
export function sampleRatio(units: ReadonlyMap<string, number>, shares: readonly VariantShare[]): SampleRatio {
  const known = new Map(shares.map(({ variant, share }) => [variant, share]));
  let all = 0;
  for (const [variant, count] of units) {
    // Units where none can be: no chance of it.
    if (count > 0 && !known.get(variant)) return { statistic: Number.POSITIVE_INFINITY, p: 0, isMismatch: true };
    all += count;
  }
  let statistic = 0;
  let variants = 0;
  let least = Number.POSITIVE_INFINITY;
  for (const [variant, share] of known) {
    if (share === 0) continue;
    const expected = all * share;
    least = Math.min(least, expected);
    variants++;
    if (expected > 0) statistic += ((units.get(variant) ?? 0) - expected) ** 2 / expected;
  }
  if (least < LEAST_EXPECTED) return { statistic, p: null, isMismatch: false };
  const p = variants === 1 ? 1 : chiSquareTail(statistic, variants - 1);
  return { statistic, p, isMismatch: p < ALARM };
}
