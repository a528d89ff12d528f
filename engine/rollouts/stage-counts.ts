import type { StageLosses } from './decision-losses.ts';

/** Units of a variant in one stage. */
export interface UnitCounts {
  /** Had a decision. */
  readonly exposed: number;
  /** Were observed: their one value is in the sums. */
  readonly observed: number;
  /** Their time is not over, or a label may still change. */
  readonly waiting: number;
  /** All is mature, and nothing was told of the metric. */
  readonly nothing: number;
}

/** What there is of one stage. */
export interface StageCounts {
  readonly stage: number;
  readonly candidate: UnitCounts;
  readonly against: UnitCounts;
  /** Of units that met both variants: those of the first alone count. */
  readonly mixed: number;
  /** In shadow: units of which both variants decided on one request at least. */
  readonly paired: number;
  /** In shadow: decisions of one variant that the other's are missing of. */
  readonly unpaired: number;
  /** Decisions that name no unit. */
  readonly withoutUnit: number;
  /** Decisions that are there, and those that applications dropped. */
  readonly losses?: StageLosses | undefined;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Counts as they are counted. */
export interface StageTally extends Mutable<Omit<StageCounts, 'candidate' | 'against'>> {
  readonly candidate: Mutable<UnitCounts>;
  readonly against: Mutable<UnitCounts>;
}

const none = (): Mutable<UnitCounts> => ({ exposed: 0, observed: 0, waiting: 0, nothing: 0 });

/** Of a stage nothing is known of yet. */
export function emptyTally(stage: number): StageTally {
  return { stage, candidate: none(), against: none(), mixed: 0, paired: 0, unpaired: 0, withoutUnit: 0 };
}
