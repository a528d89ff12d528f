import type { Interval } from '../statistics/wilson.ts';
import type { Difference } from './difference.ts';

/** How certain a sequence is, and where it is narrowest. */
export interface SequenceOptions {
  /** The chance that the truth is ever outside, over all comparisons together. Default 0.05. */
  readonly alpha?: number | undefined;
  /** How many are read: metric, guardrails, segments. Each has its part of `alpha` (Bonferroni). Default 1. */
  readonly comparisons?: number | undefined;
  /** The units (`Difference.units`) at which it is narrowest. Before a tenth of them it says nothing. */
  readonly minUnits: number;
}

/** Before such a part of `minUnits` a normal distribution of means is not to be counted on. */
const LEAST_PART = 0.1;

const EVERYWHERE: Interval = { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY };

/**
 * An interval that holds the true difference at all times at once, with chance 1 − alpha: it may be looked at after every unit, and acted on at the first
 * look that pleases. The asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (Time-uniform central limit theory and
 * asymptotic confidence sequences, Annals of Statistics 52, 2024), theorem 2.2: value ± √(variance · (x + 1)/x · ln((x + 1)/alpha²)), x = units · ρ².
 *
 * @param difference null: nothing is known
 * @example
 * confidenceSequence(meanDifference(candidate, against), { minUnits: 2_000, comparisons: 3 }).low > 0; // better, and that for good
 */
export function confidenceSequence(difference: Difference | null, options: SequenceOptions): Interval {
  const { alpha = 0.05, comparisons = 1, minUnits } = options;
  if (difference === null || difference.units < minUnits * LEAST_PART) return EVERYWHERE;
  const { value, variance, units } = difference;
  const each = alpha / comparisons;
  const x = (units / minUnits) * narrowest(each);
  const half = Math.sqrt((variance * (x + 1) * Math.log((x + 1) / each ** 2)) / x);
  return { low: value - half, high: value + half };
}

/** units · ρ² where the sequence is narrowest: w − 1 of w − ln w = 1 − 2 ln alpha (the lower branch of Lambert's W, as the paper has it). */
function narrowest(alpha: number): number {
  const wanted = 1 - 2 * Math.log(alpha);
  let w = wanted;
  // Each turn leaves less than a w-th of the error.
  for (let next = wanted + Math.log(w); next > w; next = wanted + Math.log(w)) w = next;
  return w - 1;
}
