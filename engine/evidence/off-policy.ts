import { MillraceError } from '../errors/millrace-error.ts';
import { clusteredMean, type MeanEstimate, unitPlaces } from './clustered-mean.ts';
import { randomAt } from './counter-random.ts';
import { SUM_TOLERANCE } from './variant-shares.ts';

/** A logged decision, what came of it, and what the candidate would have done. */
export interface LoggedDecision<Context> {
  /** Whom it was about: what is told of one unit is not independent. */
  readonly unit: string;
  readonly context: Context;
  /** The action that was taken. */
  readonly action: string;
  readonly reward: number;
  /** The chance that the logging policy had to take it: more than 0. */
  readonly propensity: number;
  /** The candidate's chance of each action in this place; of those that are not there 0. They sum up to 1. */
  readonly candidate: ReadonlyMap<string, number>;
}

/** What rewards are expected of an action, learnt of some decisions. */
export type RewardModel<Context> = (context: Context, action: string) => number;

/** Learns a reward model. It is shown the decisions of one half of the units, and asked about the other. */
export type FitReward<Context> = (decisions: readonly LoggedDecision<Context>[]) => RewardModel<Context>;

/** How far the log can tell of the candidate at all. */
export interface PolicyOverlap {
  readonly decisions: number;
  readonly units: number;
  /** (Σw)²/Σw²: so many decisions of the candidate's own would tell as much. */
  readonly effective: number;
  /** Near 1, unless propensities are wrong or the candidate does what was never tried. */
  readonly meanWeight: MeanEstimate;
  /**
   * (Σw²)²/Σw⁴, of units the sum of w²: from so many the errors themselves are known, as squares of weights are what errors are made of. Of one great weight
   * among small ones it is near 1, however many decisions there are.
   */
  readonly errorEffective: number;
  /** Above 20 an interval may be narrower than it should be. */
  readonly greatestWeight: number;
}

/** What a candidate would have brought, by three estimators, or why the log cannot tell. */
export type OffPolicyValue = { readonly overlap: PolicyOverlap } & (
  | {
      readonly kind: 'estimated';
      /** Inverse propensity: Σwr/n (Horvitz & Thompson, 1952). */
      readonly ips: MeanEstimate;
      /** Self-normalised: Σwr/Σw (Swaminathan & Joachims, 2015). */
      readonly snips: MeanEstimate;
      /** Doubly robust (Dudík, Langford & Li, 2011), by two-fold cross-fitting. */
      readonly doublyRobust: MeanEstimate;
    }
  | { readonly kind: 'refused'; readonly why: 'few-effective' | 'few-behind-errors' | 'weights-off' }
);

/** Of fewer effective decisions an estimate means nothing. */
const LEAST_EFFECTIVE = 100;
/** Of fewer behind it an error means nothing: it stands on a handful of great weights, by which so much depends on what they happened to bring. */
const LEAST_BEHIND_ERRORS = 15;
/** Further from 1, in standard errors, the mean weight is off by no chance. */
const MOST_ERRORS = 3;

/**
 * The mean reward that a candidate policy would have had in the places of logged decisions, each estimate with 95 %, by the delta method over units, and
 * Student's where the errors rest on few great weights. Refused where the effective sample is below 100, that behind the errors below 15, or the mean weight is off 1 by more than 3 standard errors.
 *
 * Throws `invalid-propensity` where a propensity is not above 0 and at most 1, the candidate's chances do not sum up to 1, or a reward is not finite;
 * `invalid-expectation` where what `fit` learnt expects no finite reward.
 *
 * @param fit learns rewards for the doubly robust estimate (`rewardByAction`); a bad one widens it, and does not make it wrong
 * @param seed which units are in which half goes by it, not by order
 * @example
 * const value = offPolicyValue(decisions, rewardByAction((flight) => [flight.distance]), 'june');
 */
export function offPolicyValue<Context>(
  decisions: readonly LoggedDecision<Context>[],
  fit: FitReward<Context>,
  seed: string,
): OffPolicyValue {
  const n = decisions.length;
  const units = unitPlaces(decisions.map(({ unit }) => unit));
  const ones = new Float64Array(n).fill(1);
  const weights = Float64Array.from(decisions, weightOf);
  const weighted = Float64Array.from(decisions, ({ reward }, row) => weights[row]! * reward);
  const overlap = overlapOf(units, weights, ones);
  const { meanWeight, effective, errorEffective } = overlap;
  if (!(effective >= LEAST_EFFECTIVE)) return { overlap, kind: 'refused', why: 'few-effective' };
  if (!(errorEffective >= LEAST_BEHIND_ERRORS)) return { overlap, kind: 'refused', why: 'few-behind-errors' };
  if (Math.abs(meanWeight.value - 1) > Math.max(MOST_ERRORS * meanWeight.error, SUM_TOLERANCE))
    return { overlap, kind: 'refused', why: 'weights-off' };
  const degrees = Math.max(1, errorEffective - 1);
  return {
    overlap,
    kind: 'estimated',
    ips: clusteredMean(units, weighted, ones, degrees),
    snips: clusteredMean(units, weighted, weights, degrees),
    doublyRobust: clusteredMean(units, crossFitted(decisions, weights, fit, seed), ones, degrees),
  };
}

function overlapOf(units: Int32Array, weights: Float64Array, ones: Float64Array): PolicyOverlap {
  let [sum, squares, greatestWeight] = [0, 0, 0];
  for (const weight of weights) {
    sum += weight;
    squares += weight * weight;
    greatestWeight = Math.max(greatestWeight, weight);
  }
  const count = units.reduce((most, unit) => Math.max(most, unit + 1), 0);
  const ofUnits = new Float64Array(count);
  for (let row = 0; row < weights.length; row++) ofUnits[units[row]!]! += weights[row]! ** 2;
  const fourths = ofUnits.reduce((total, each) => total + each * each, 0);
  return {
    decisions: weights.length,
    units: count,
    effective: squares === 0 ? 0 : (sum * sum) / squares,
    errorEffective: fourths === 0 ? 0 : (squares * squares) / fourths,
    meanWeight: clusteredMean(units, weights, ones),
    greatestWeight,
  };
}

/** Per decision what the candidate is expected to have, and the weighted error of what was expected of the action that was taken. */
function crossFitted<Context>(
  decisions: readonly LoggedDecision<Context>[],
  weights: Float64Array,
  fit: FitReward<Context>,
  seed: string,
): Float64Array {
  const halves = new Map<string, boolean>();
  const isFirst = decisions.map(({ unit }) => {
    const half = halves.get(unit) ?? randomAt(seed, unit, 0) < 0.5;
    halves.set(unit, half);
    return half;
  });
  // Learnt of one half, asked about the other: no decision tells of itself.
  const learntOf = (half: boolean): RewardModel<Context> => fit(decisions.filter((_, row) => isFirst[row] === half));
  const models = { ofFirst: learntOf(true), ofSecond: learntOf(false) };
  return Float64Array.from(decisions, ({ context, action, reward, candidate }, row) => {
    const expected = isFirst[row] ? models.ofSecond : models.ofFirst;
    let value = weights[row]! * (reward - expected(context, action));
    for (const [each, chance] of candidate) if (chance > 0) value += chance * expected(context, each);
    if (!Number.isFinite(value)) throw invalidExpectation(row, value);
    return value;
  });
}

function weightOf({ action, propensity, candidate, reward }: LoggedDecision<unknown>, row: number): number {
  let sum = 0;
  let areChances = true;
  for (const chance of candidate.values()) {
    areChances &&= chance >= 0 && chance <= 1;
    sum += chance;
  }
  if (propensity > 0 && propensity <= 1 && areChances && Math.abs(sum - 1) <= SUM_TOLERANCE && Number.isFinite(reward))
    return (candidate.get(action) ?? 0) / propensity;
  throw new MillraceError(
    'invalid-propensity',
    `logged decision ${row}: expected a propensity above 0 and at most 1, chances of the candidate that sum up to 1 and a finite reward; received propensity ${propensity}, chances of ${sum} together, reward ${reward}`,
    { remedy: 'Leave out decisions whose policy was not logged, and give all chances of a policy.', details: { row } },
  );
}

function invalidExpectation(row: number, received: number): MillraceError {
  return new MillraceError(
    'invalid-expectation',
    `logged decision ${row}: expected a finite reward of each action that the candidate may take and of the one taken; together they give ${received}`,
    { remedy: 'Learn rewards of finite columns: put a number in place of what a context lacks.', details: { row } },
  );
}
