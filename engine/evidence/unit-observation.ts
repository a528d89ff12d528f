import { ExactMoments } from './exact-moments.ts';
import type { Label } from './label-rule.ts';

/** A decision about a unit in one stage, and what came of it. */
export interface ObservedDecision {
  /** UTC epoch microseconds. */
  readonly timeUs: number;
  /** As of the time that the observation is asked for (`labelOf`). */
  readonly label: Label<number>;
}

/** What a unit tells in one stage. */
export type UnitObservation =
  | {
      readonly kind: 'observed';
      /** The mean over its decisions: exact sum, rounded once, over their number. */
      readonly value: number;
      readonly decisions: number;
    }
  /** Its time is not over, or a label of that time may still change. */
  | { readonly kind: 'waiting' }
  /** All is mature, and no decision has a label. */
  | { readonly kind: 'nothing' };

/**
 * The one observation of a unit in one stage: the mean of its labels over the decisions within `observeUs` of its first one, that far included, once all of
 * them are mature. So it is entered once, and never changes. Decisions whose label is null or left out tell nothing.
 *
 * @param decisions of this unit in this stage, in any order, as far as they were made by `asOfUs`; not empty
 * @example
 * unitObservation([{ timeUs: 0, label: { kind: 'label', value: 1, outcomes: 1, afterMaturity: 0 } }], 10, 10); // observed, 1
 */
export function unitObservation(
  decisions: readonly ObservedDecision[],
  observeUs: number,
  asOfUs: number,
): UnitObservation {
  const untilUs =
    decisions.reduce((least, { timeUs }) => Math.min(least, timeUs), Number.POSITIVE_INFINITY) + observeUs;
  if (untilUs > asOfUs) return { kind: 'waiting' };
  const moments = new ExactMoments();
  for (const { timeUs, label } of decisions) {
    if (timeUs > untilUs) continue;
    if (label.kind === 'immature') return { kind: 'waiting' };
    if (label.kind === 'label' && label.value !== null) moments.add(label.value);
  }
  const { count, mean } = moments.read();
  return count === 0 ? { kind: 'nothing' } : { kind: 'observed', value: mean, decisions: count };
}
