import type { MonitorBucket } from '../../engine/monitors/monitor-bucket.ts';

/** The share of values that are there; null of none at all. */
export function coverageOf({ count, values }: Pick<MonitorBucket, 'count' | 'values'>): number | null {
  return values === null || count === 0 ? null : (count - values.nulls) / count;
}

/** Of numbers. */
export function meanOf({ count, values }: Pick<MonitorBucket, 'count' | 'values'>): number | null {
  const known = count - (values?.nulls ?? 0);
  return values?.numbers == null || known === 0 ? null : values.numbers.sum / known;
}

/** A segment as people read it. */
export function segmentName({ segment }: Pick<MonitorBucket, 'segment'>): string {
  return segment === null ? 'all' : `${segment.name} = ${segment.value}`;
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
  for (const bucket of buckets) {
    const { count, values } = bucket;
    const name = segmentName(bucket);
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
