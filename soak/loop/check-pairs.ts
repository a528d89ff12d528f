import { installationNames } from '../../engine/installation/installation-names.ts';
import type { LogReader } from '../../engine/topic/log-reader.ts';
import { taken } from '../features/offers.ts';
import { type ExpectedPair, naivePairs, pairKey } from './naive-loop.ts';
import { topicRecords } from './read-topic.ts';
import type { Said } from './said.ts';

export const PAIRS_TOPIC = installationNames().pairsTopic(taken.name);

/** What is on the topics, held to what was said; pairs by `pairKey`. */
export interface PairsVerdict {
  readonly pairs: number;
  /** Acknowledged, and not on their topics. */
  readonly lostSaid: readonly string[];
  readonly lost: readonly string[];
  /** There with something else in them. */
  readonly changed: readonly string[];
  /** There, though nothing that was said makes them. */
  readonly stray: readonly string[];
  /** On their topic once more, with the same bytes: readers know them by their id. */
  readonly twice: number;
}

interface PairRecord {
  readonly pair_id: string;
  readonly paired_at: string;
  readonly decision: {
    readonly decision_id: string;
    readonly decided_at: string;
    readonly action: string;
    readonly context: { readonly shop: string; readonly basket: number };
  };
  readonly outcome: {
    readonly outcome_id: string;
    readonly decision_id: string;
    readonly occurred_at: string;
    readonly value: number;
  };
}

/** Holds the pairs of the topic to the naive join of what was acknowledged, record by record. */
export async function checkPairs(reader: LogReader, said: Said, signal: AbortSignal): Promise<PairsVerdict> {
  const expected = naivePairs(said);
  const seen = new Map<string, string>();
  const [changed, stray] = [new Set<string>(), new Set<string>()];
  let twice = 0;
  for await (const { json } of topicRecords(reader, PAIRS_TOPIC, signal)) {
    const pair = json as PairRecord;
    const key = pairKey(pair.decision.decision_id, pair.outcome.outcome_id);
    const text = JSON.stringify(pair);
    const before = seen.get(key);
    seen.set(key, text);
    const wanted = expected.get(key);
    if (before === text) twice++;
    else if (wanted === undefined) stray.add(key);
    else if (before !== undefined || !isAsSaid(pair, wanted)) changed.add(key);
  }
  return {
    pairs: seen.size,
    lostSaid: await lostOf(reader, said, signal),
    lost: [...expected.keys()].filter((key) => !seen.has(key)),
    changed: [...changed],
    stray: [...stray],
    twice,
  };
}

async function lostOf(reader: LogReader, said: Said, signal: AbortSignal): Promise<string[]> {
  const { decisionsTopic, outcomesTopic } = installationNames();
  const there = new Set<string>();
  for await (const { json } of topicRecords(reader, decisionsTopic, signal))
    there.add((json as { readonly decision_id: string }).decision_id);
  for await (const { json } of topicRecords(reader, outcomesTopic, signal))
    there.add((json as { readonly outcome_id: string }).outcome_id);
  return [...said.decisions, ...said.outcomes].map(({ id }) => id).filter((id) => !there.has(id));
}

function isAsSaid({ paired_at, decision: d, outcome: o }: PairRecord, { decision, outcome }: ExpectedPair): boolean {
  return (
    microsOf(paired_at) === Math.max(decision.atUs, outcome.atUs) &&
    microsOf(d.decided_at) === decision.atUs &&
    d.action === decision.action &&
    d.context.shop === decision.shop &&
    d.context.basket === decision.basket &&
    microsOf(o.occurred_at) === outcome.atUs &&
    o.decision_id === outcome.decision &&
    o.value === outcome.value
  );
}

/** What is said here has whole milliseconds. */
function microsOf(iso: string): number {
  return Date.parse(iso) * 1_000;
}
