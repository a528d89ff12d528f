import type { Label } from '../evidence/label-rule.ts';
import { compareUtf8 } from '../values/compare.ts';

/** What a rollout is judged by of one decision. */
export interface ObservedDecision {
  readonly id: string;
  /** Of a shadow: the decision that was acted on. */
  readonly shadowOf: string | null;
  /** UTC epoch µs. */
  readonly timeUs: number;
  readonly stage: number;
  readonly revision: number;
  readonly variant: string;
  /** Null: it says none, and tells nothing of anybody. */
  readonly unit: string | null;
  /** What it tells of the metric (`measured`). */
  readonly label: Label<number>;
  /** As `segmentsOf` has them. */
  readonly segments: readonly string[];
  /** The chance that its unit had this variant; null: it was not logged. */
  readonly chance: number | null;
}

/** The order in which a unit met its decisions: no order of the log shows. */
export function inTime(a: ObservedDecision, b: ObservedDecision): number {
  return a.timeUs - b.timeUs || compareUtf8(a.id, b.id);
}
