import type { StageLosses } from './decision-losses.ts';
import type { UnitCounts } from './stage-counts.ts';

/** An estimated difference, the candidate's less the other's, with its interval; null where it is open to that side. Plain JSON. */
export interface TellableInterval {
  readonly value: number;
  readonly low: number | null;
  readonly high: number | null;
  /** As `Difference.units` has them. */
  readonly units: number;
}

/** A stage as its evidence stands. */
export interface StageJudgement {
  readonly stage: number;
  readonly candidate: UnitCounts;
  readonly against: UnitCounts;
  /** Means of the units that were observed; null: of none. */
  readonly candidateMean: number | null;
  readonly againstMean: number | null;
  readonly difference: TellableInterval | null;
  /** Units that count towards `minUnits`. */
  readonly units: number;
  /** In shadow: units of which both decided, and decisions of one that the other's are missing of. */
  readonly paired: number;
  readonly unpaired: number;
  readonly mixed: number;
  readonly withoutUnit: number;
  /** Of the sample ratio: the chance of such a one where all is well; null: not told. */
  readonly ratioP: number | null;
  /** Decisions that are there, and those that applications dropped, where these are not of both variants alike; null: they are, or it cannot be told. */
  readonly losses?: StageLosses | null | undefined;
  /** Units were lost by variant, or decisions were. */
  readonly isRatioMismatch: boolean;
}

/** A guardrail as its evidence stands. */
export interface GuardrailJudgement {
  /** Its place in the rollout's list. */
  readonly guardrail: number;
  /** By how much it is worse, in the guardrail's measure; null: nothing is known. */
  readonly worse: TellableInterval | null;
  readonly isBreached: boolean;
}

/** A segment as its evidence stands. */
export interface SegmentJudgement {
  readonly segment: string;
  readonly candidateUnits: number;
  readonly againstUnits: number;
  readonly difference: TellableInterval | null;
}

/** What the evidence says of a rollout. Plain JSON: it goes through workflow histories. */
export interface Judgement {
  /** Labels are told as of this time, UTC epoch µs; null: of none, since nothing of the outcomes is archived. */
  readonly asOfUs: number | null;
  readonly evaluatedAtMs: number;
  readonly tookMs: number;
  readonly stages: readonly StageJudgement[];
  /** All stages together: what is decided by. */
  readonly combined: TellableInterval | null;
  /** By evidence. */
  readonly isBetter: boolean;
  readonly isWorse: boolean;
  /** Not worse by the smallest effect of the present stage, by evidence. */
  readonly isNotWorse: boolean;
  /** Those of labels: `metric`. */
  readonly guardrails: readonly GuardrailJudgement[];
  /** Those with most units. */
  readonly segments: readonly SegmentJudgement[];
  /** Labels of all decisions of the rollout. */
  readonly labels: { readonly decisions: number; readonly mature: number; readonly immature: number };
  /** What is missing to tell anything, in words; null: nothing is. */
  readonly lacks: string | null;
  /** Of a bandit, the chance of each to be the best, candidate first; null: of none. */
  readonly bestChances: readonly number[] | null;
  /** Of a bandit, the candidate's share by these chances. */
  readonly banditShare: number | null;
}
