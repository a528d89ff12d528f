import { ExactMoments } from '../evidence/exact-moments.ts';
import type { EvidenceSums } from '../evidence/evidence-sums.ts';
import type { ObservedDecision } from './observed-decision.ts';

/** The sums by days since a unit first met its variant: in the place of the stage, the day. */
export const NOVELTY = 'novelty';

const DAY_US = 86_400_000_000;
/** A novelty that lasts longer is none. */
const MOST_DAYS = 60;

/**
 * Adds what one unit tells by days since it first met a variant: per day the mean over its decisions, once the day is over and all of them are mature.
 *
 * @param decisions of one unit that were acted on, in time
 */
export function foldNovelty(decisions: readonly ObservedDecision[], asOfUs: number, sums: EvidenceSums): void {
  for (const [variant, own] of Map.groupBy(decisions, (decision) => decision.variant)) {
    const firstUs = own[0]!.timeUs;
    for (const [day, ofDay] of Map.groupBy(own, ({ timeUs }) => Math.floor((timeUs - firstUs) / DAY_US))) {
      if (day >= MOST_DAYS || firstUs + (day + 1) * DAY_US > asOfUs) continue;
      const moments = new ExactMoments();
      if (ofDay.some(({ label }) => label.kind === 'immature')) continue;
      for (const { label } of ofDay) if (label.kind === 'label' && label.value !== null) moments.add(label.value);
      const { count, mean } = moments.read();
      if (count > 0) sums.observe({ metric: NOVELTY, stage: day, variant, segments: [], value: mean });
    }
  }
}
