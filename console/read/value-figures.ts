import type { MonitorBucket, ValueSummary } from '../../engine/monitors/monitor-bucket.ts';
import { middleOf } from '../../engine/reduce/quantile-buckets.ts';
import { SKETCH_BITS } from '../../engine/monitors/value-state.ts';

/** The share of values that are there; null of none at all. */
export function coverageOf({ count, values }: Pick<MonitorBucket, 'count' | 'values'>): number | null {
  return values === null || count === 0 ? null : (count - values.nulls) / count;
}

/** Of numbers. */
export function meanOf({ count, values }: Pick<MonitorBucket, 'count' | 'values'>): number | null {
  const known = count - (values?.nulls ?? 0);
  return values?.numbers == null || known === 0 ? null : values.numbers.sum / known;
}

/** A segment over some buckets. */
export interface SegmentFigures {
  readonly segment: string;
  readonly count: number;
  readonly coverage: number | null;
  readonly mean: number | null;
}

/** Segments with all their buckets added, the least covered first. */
export function segmentFigures(buckets: readonly MonitorBucket[]): SegmentFigures[] {
  const sums = new Map<string, { count: number; nulls: number; sum: number | null; has: boolean }>();
  for (const { segment, count, values } of buckets) {
    const name = `${segment?.name ?? ''} = ${segment?.value ?? ''}`;
    const sum = sums.get(name) ?? { count: 0, nulls: 0, sum: 0, has: false };
    sum.count += count;
    if (values !== null) {
      sum.has = true;
      sum.nulls += values.nulls;
      sum.sum = values.numbers === null || sum.sum === null ? null : sum.sum + values.numbers.sum;
    }
    sums.set(name, sum);
  }
  return [...sums]
    .map(([segment, { count, nulls, sum, has }]) => ({
      segment,
      count,
      coverage: !has || count === 0 ? null : (count - nulls) / count,
      mean: !has || sum === null || count === nulls ? null : sum / (count - nulls),
    }))
    .toSorted((a, b) => (a.coverage ?? 2) - (b.coverage ?? 2) || b.count - a.count);
}

/** A part of a distribution: values up to there, and how many. */
export interface DistributionBar {
  readonly value: number;
  readonly count: number;
}

/** The distribution of numbers over some buckets in at most `most` bars of neighbouring sketch buckets; empty where no sketch was kept. */
export function distributionOf(summaries: readonly (ValueSummary | null)[], most: number): DistributionBar[] {
  const sums = new Map<number, number>();
  for (const summary of summaries)
    for (const [bucket, count] of summary?.bins ?? []) sums.set(bucket, (sums.get(bucket) ?? 0) + count);
  const bins = [...sums].toSorted(([a], [b]) => a - b);
  const middle = middleOf(SKETCH_BITS);
  const width = Math.max(1, Math.ceil(bins.length / most));
  return Array.from({ length: Math.ceil(bins.length / width) }, (_, index) => {
    const own = bins.slice(index * width, (index + 1) * width);
    return { value: middle(own.at(-1)![0]), count: own.reduce((sum, [, count]) => sum + count, 0) };
  });
}

/** The most frequent texts over some buckets, at most `most`. */
export function topTexts(
  summaries: readonly (ValueSummary | null)[],
  most: number,
): (readonly [text: string, count: number])[] {
  const sums = new Map<string, number>();
  for (const summary of summaries)
    for (const [text, count] of summary?.top?.counts ?? []) sums.set(text, (sums.get(text) ?? 0) + count);
  return [...sums].toSorted(([, a], [, b]) => b - a).slice(0, most);
}
