import type { SampleMoments } from './exact-moments.ts';

/** An estimated difference: of the candidate, less what it is tried against. */
export interface Difference {
  readonly value: number;
  /** Of `value`, as estimated. */
  readonly variance: number;
  /** How many units would tell as much if each variant had half of them; of pairs their number. */
  readonly units: number;
}

/**
 * The difference of the means of two samples of units, each unit once. Null while one of them has fewer than two: then nothing is known of its variance.
 * The variance is that of two samples with variances of their own, or with one in common, whichever is more: of few units that happen to have no rare value
 * the own one is far too small, just where their mean is off (docs/adr/0024).
 *
 * @example
 * meanDifference({ count: 50, mean: 1.2, variance: 4 }, { count: 950, mean: 1, variance: 4 }); // value 0.2, units 190
 */
export function meanDifference(candidate: SampleMoments, against: SampleMoments): Difference | null {
  const [m, n] = [candidate.count, against.count];
  if (m < 2 || n < 2) return null;
  const common = ((m - 1) * candidate.variance + (n - 1) * against.variance) / (m + n - 2);
  return {
    value: candidate.mean - against.mean,
    variance: Math.max(candidate.variance / m + against.variance / n, common / m + common / n),
    units: (4 * m * n) / (m + n),
  };
}

/**
 * In shadow both variants score each request: the mean of the differences of units, which lacks what the units themselves differ by.
 *
 * @param differences per unit its candidate's value less the other's
 */
export function pairedDifference(differences: SampleMoments): Difference | null {
  const { count, mean, variance } = differences;
  return count < 2 ? null : { value: mean, variance: variance / count, units: count };
}

/**
 * Stages together. Units were assigned at one ratio within a stage only, so samples are never put together across stages, differences are: by the inverse
 * of their variances, as units of one variance have them, which is in proportion to `units`. Inverse variances as *estimated* would prefer the stages
 * whose few units happened to vary little, and these are those that happened to be low (docs/adr/0024).
 */
export function combinedDifference(stages: readonly Difference[]): Difference | null {
  const units = stages.reduce((sum, stage) => sum + stage.units, 0);
  if (units === 0) return null;
  const share = (stage: Difference): number => stage.units / units;
  return {
    value: stages.reduce((sum, stage) => sum + share(stage) * stage.value, 0),
    variance: stages.reduce((sum, stage) => sum + share(stage) ** 2 * stage.variance, 0),
    units,
  };
}
