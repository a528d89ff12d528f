/** What one decision tells, with its label or by itself. */
export type RolloutMeasure = 'label' | 'log-loss' | 'brier' | 'absolute-error' | 'score';

/** What a rollout is judged by. */
export interface RolloutMetric {
  readonly measure: RolloutMeasure;
  /** Which way is good. */
  readonly better: 'higher' | 'lower';
}

/** A stage: how many units the candidate has, and what has to be known before the next one. */
export interface StageRule {
  /** From 0 to 1. 0: a shadow, which decides beside the other and does not act. */
  readonly share: number;
  /** As `Difference.units` counts them. */
  readonly minUnits: number;
  readonly minTimeMs: number;
  /** With `minUnits` the stage also ends where the candidate is not worse than by so much; null: only where it is better or worse. */
  readonly smallestEffect: number | null;
  /** Whether a person is asked before the next one. */
  readonly approve: boolean;
}

/** What must not get worse. */
export type GuardrailKind = 'latency' | 'errors' | 'coverage' | 'score-shift' | 'action-share' | 'metric';

export interface GuardrailRule {
  readonly kind: GuardrailKind;
  /**
   * How much is borne. `latency`: ms more on average · `errors`: so much more of the decisions have one · `coverage`: so much less of the features is there ·
   * `score-shift`: the greatest distance of the two distributions of scores · `action-share`: of the action's share, either way · `metric`: so much worse.
   */
  readonly limit: number;
  /** `field=value` of the context: of these units alone. */
  readonly segment: string | null;
  /** Of `action-share`: whose share. */
  readonly action: string | null;
  /** Of `score-shift`: where the distributions are compared, ascending. */
  readonly points: readonly number[];
}

/** How a rollout is judged: a function of its start form, and the same for as long as it runs. */
export interface RolloutRule {
  readonly metric: RolloutMetric;
  readonly stages: readonly StageRule[];
  readonly guardrails: readonly GuardrailRule[];
  /** Fields of the context by whose values evidence is told. */
  readonly segments: readonly string[];
  /** So long after its first decision in a stage a unit is observed. */
  readonly observeUs: number;
  /** The chance that any of the intervals ever misses the truth. */
  readonly alpha: number;
  readonly mode: 'stages' | 'bandit';
  /** Of a bandit: what each variant keeps. */
  readonly floor: number;
}

/** How many intervals are read of a rollout: each has its part of `alpha`. */
export function comparisonsOf({ guardrails }: Pick<RolloutRule, 'guardrails'>): number {
  return guardrails.reduce((sum, guardrail) => sum + pointsOf(guardrail), 1);
}

/** The units at which its intervals are narrowest: of the smallest stage, for all of it. */
export function tunedTo({ stages }: Pick<RolloutRule, 'stages'>): number {
  return stages.reduce((least, { minUnits }) => Math.min(least, minUnits), Number.POSITIVE_INFINITY);
}

/** Of a stage in which nothing is acted on, labels are those of the other variant's decisions. */
export function isMeasured({ metric }: Pick<RolloutRule, 'metric'>, { share }: Pick<StageRule, 'share'>): boolean {
  return share > 0 || metric.measure !== 'label';
}

function pointsOf({ kind, points }: GuardrailRule): number {
  return kind === 'score-shift' ? points.length : 1;
}
