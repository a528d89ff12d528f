import type { MonitorBucket, ValueSummary } from '../monitors/monitor-bucket.ts';
import { type Counts, totalOf } from '../statistics/jensen-shannon.ts';

/** Into so many stretches of about equally many values of the reference numbers are put. */
const STRETCHES = 10;
/** A text with less of the reference's values than this share is one of the others. */
const LEAST_SHARE = 0.01;
/** Stands for all texts that have no place of their own; no text is a symbol. */
const OTHERS = Symbol('others');

/** Two distributions, counted by the same kinds. */
export interface CountedPair {
  readonly now: Counts<unknown>;
  readonly before: Counts<unknown>;
}

/**
 * A bucket's distribution and that of others, by kinds that the others decide: tenths of numbers, texts of a hundredth at least. Nulls are none of it:
 * coverage tells of them. Null where either kept none.
 */
export function comparable(bucket: MonitorBucket, reference: readonly MonitorBucket[]): CountedPair | null {
  const now = bucket.values;
  const before = reference.flatMap(({ values }) => (values === null ? [] : [values]));
  if (now === null || before.length === 0) return null;
  if (now.bins !== null) return pairOfNumbers(now.bins, before);
  if (now.top !== null) return pairOfTexts(now.top, before);
  return null;
}

function pairOfNumbers(now: Counts<number>, summaries: readonly ValueSummary[]): CountedPair | null {
  const before = new Map<number, number>();
  for (const { bins } of summaries) for (const [bin, count] of bins ?? []) add(before, bin, count);
  if (totalOf(before) === 0 || totalOf(now) === 0) return null;
  const edges = edgesOf(before);
  return { now: stretched(now, edges), before: stretched(before, edges) };
}

/** The last bin of each stretch but the last one. */
function edgesOf(before: Counts<number>): number[] {
  const total = totalOf(before);
  const edges: number[] = [];
  let below = 0;
  let next = 1;
  for (const [bin, count] of [...before].toSorted(([a], [b]) => a - b)) {
    below += count;
    if (below * STRETCHES < next * total || next >= STRETCHES) continue;
    edges.push(bin);
    next = Math.floor((below * STRETCHES) / total) + 1;
  }
  return edges;
}

function stretched(bins: Counts<number>, edges: readonly number[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const [bin, count] of bins) {
    const stretch = edges.findIndex((edge) => bin <= edge);
    add(counts, stretch === -1 ? edges.length : stretch, count);
  }
  return counts;
}

function pairOfTexts(now: NonNullable<ValueSummary['top']>, summaries: readonly ValueSummary[]): CountedPair | null {
  const all = new Map<string | symbol, number>();
  for (const { top } of summaries) {
    if (top === null) continue;
    for (const [text, count] of top.counts) add(all, text, count);
    if (top.others > 0) add(all, OTHERS, top.others);
  }
  const total = totalOf(all);
  if (total === 0 || totalOf(now.counts) + now.others === 0) return null;
  const kinds = new Set([...all].filter(([, count]) => count >= LEAST_SHARE * total).map(([kind]) => kind));
  const kindOf = (kind: string | symbol): string | symbol => (kinds.has(kind) ? kind : OTHERS);
  const before = new Map<string | symbol, number>();
  for (const [kind, count] of all) add(before, kindOf(kind), count);
  const counted = new Map<string | symbol, number>();
  for (const [text, count] of now.counts) add(counted, kindOf(text), count);
  if (now.others > 0) add(counted, OTHERS, now.others);
  return { now: counted, before };
}

function add<Kind>(counts: Map<Kind, number>, kind: Kind, count: number): void {
  counts.set(kind, (counts.get(kind) ?? 0) + count);
}
