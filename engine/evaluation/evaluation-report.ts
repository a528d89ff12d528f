import type { MeanEstimate } from '../evidence/clustered-mean.ts';
import type { ScoreMeasures } from '../evidence/evaluate-scores.ts';
import type { OffPolicyValue } from '../evidence/off-policy.ts';
import type { ModelMetrics } from '../postgres/model-versions.ts';
import type { Comparison } from './compare-sides.ts';
import type { NumberMeasures } from './number-measures.ts';

/** How decisions became labelled, as the scan of the label set counts them. */
export interface LabelCounts {
  readonly decisions: number;
  readonly mature: number;
  readonly immature: number;
  readonly leftOut: number;
  readonly labelled: number;
  readonly afterMaturity: number;
  readonly duplicates: number;
  readonly invalid: number;
}

/** Measures of scores, as labels are yes or no, or numbers. */
export type Measures = ({ readonly kind: 'chance' } & ScoreMeasures) | ({ readonly kind: 'number' } & NumberMeasures);

/** A value of a segment, or all those that are not named. */
export interface SegmentPart {
  /** Null: the others. */
  readonly value: string | null;
  /** How many values it is: 1, of the others their number. */
  readonly values: number;
  readonly measures: Measures;
}

/** What one model's scores are worth. */
export interface SideReport {
  /** `late@7` */
  readonly name: string;
  /** Rows with a score and a label; of which acted on. */
  readonly rows: number;
  readonly acted: number;
  readonly units: number;
  /** Rows with a label and no score, and of all those that were decided with an error. */
  readonly withoutScore: number;
  readonly failed: number;
  readonly measures: Measures;
  readonly segments: readonly { readonly by: string; readonly parts: readonly SegmentPart[] }[];
}

/** What a policy would have brought on logged decisions. */
export interface OffPolicyReport {
  /** `late@7`, or the file. */
  readonly candidate: string;
  readonly reward: 'label' | 'costs';
  /** Acted decisions with a label; what of them could not be used, and why. */
  readonly logged: {
    readonly decisions: number;
    readonly withoutPropensity: number;
    /** The candidate did not decide there, or its chances are not 1 together. */
    readonly withoutCandidate: number;
    readonly used: number;
  };
  /** Decisions of the candidate that tell no propensities: it did what it did. */
  readonly takenAtItsWord: number;
  /** The mean reward of what was done, in the places that are used. */
  readonly asDecided: MeanEstimate | null;
  readonly value: OffPolicyValue;
  /** Why nothing is estimated, in words; null: something is. */
  readonly refusal: string | null;
  /** What then happened: the mean reward of the candidate's own units. Null: it did not act. */
  readonly actual: { readonly decisions: number; readonly units: number; readonly mean: MeanEstimate } | null;
  /** First and last decision, ISO: of those used, and of the candidate's own. */
  readonly usedSpan: readonly [from: string, to: string] | null;
  readonly actualSpan: readonly [from: string, to: string] | null;
}

/** What a model is worth, by its decisions and what came of them. Infinite bounds are null in JSON: nothing is known there. */
export interface EvaluationReport {
  /** That it is one, for `model publish --metrics`. */
  readonly kind: 'evaluation';
  readonly labels: string;
  /** ISO; decisions of [from, to). */
  readonly from: string;
  readonly to: string;
  /** Labels are those known by then. */
  readonly asOf: string;
  readonly counts: LabelCounts;
  /** Decisions whose label is null. */
  readonly withoutLabel: number;
  readonly base: { readonly rate: number | null; readonly of: 'training set' | 'asked' | 'these rows' };
  /** The model asked for, then the one against. Empty where labels are texts, which no score is held to. */
  readonly sides: readonly SideReport[];
  readonly comparison: Comparison | null;
  readonly offPolicy: OffPolicyReport | null;
  /** In one level, as `model publish --metrics` takes it. */
  readonly metrics: ModelMetrics;
  readonly notes: readonly string[];
}
