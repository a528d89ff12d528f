import { firstOfEach, type Said, type SaidResponse, type SaidSuggestion } from './said.ts';

/** Of the label set `taken`, by its words. */
const HORIZON_US = 6_000_000;
const MATURE_US = 4_000_000;

/** A pair as it has to stand on the topic, by which it is. */
export interface ExpectedPair {
  readonly decision: SaidSuggestion;
  readonly outcome: SaidResponse;
}

/** What a pair is told by. */
export function pairKey(decisionId: string, outcomeId: string): string {
  return `${decisionId} ${outcomeId}`;
}

/** All pairs of what was said: an outcome counts iff 0 ≤ its time − the decision's ≤ horizon; one of a decision is one of its shadow. */
export function naivePairs(said: Said): ReadonlyMap<string, ExpectedPair> {
  const outcomes = Map.groupBy(firstOfEach(said.outcomes), ({ decision }) => decision);
  const pairs = new Map<string, ExpectedPair>();
  for (const decision of firstOfEach(said.decisions))
    for (const outcome of outcomes.get(decision.shadowOf ?? decision.id) ?? []) {
      const waitUs = outcome.atUs - decision.atUs;
      if (waitUs >= 0 && waitUs <= HORIZON_US) pairs.set(pairKey(decision.id, outcome.id), { decision, outcome });
    }
  return pairs;
}

/** The labels of the decisions of a service that were acted on and are mature by then: the sum of what was known four seconds after each, else 0. */
export function naiveLabels(said: Said, service: string, asOfUs: number): ReadonlyMap<string, number> {
  const outcomes = Map.groupBy(firstOfEach(said.outcomes), ({ decision }) => decision);
  const labels = new Map<string, number>();
  for (const decision of firstOfEach(said.decisions)) {
    const matureUs = decision.atUs + MATURE_US;
    if (decision.service !== service || decision.shadowOf !== null || matureUs > asOfUs) continue;
    const known = (outcomes.get(decision.id) ?? []).filter((one) => (one.knownUs ?? one.saidUs) <= matureUs);
    labels.set(
      decision.id,
      known.reduce((sum, { value }) => sum + value, 0),
    );
  }
  return labels;
}
