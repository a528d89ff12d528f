import { MONITOR_METRICS, type MonitorMetric } from '../define/monitor.ts';
import { NOT_KEPT } from '../monitors/kept-buckets.ts';
import type { MonitorBucket, RecordSummary } from '../monitors/monitor-bucket.ts';
import { gStatistic, jensenShannon, totalOf } from '../statistics/jensen-shannon.ts';
import { comparable } from './comparable-counts.ts';

/** What is asked of each bucket of a subject: whatever a monitor in code may ask. A segment is judged by its share of the records: what all segments do, the whole does. */
export const STATISTICS = MONITOR_METRICS;
export type Statistic = MonitorMetric;

/** What is kept of a bucket for the buckets of later weeks: a few numbers. */
export interface Figures {
  readonly beginMs: number;
  /** Records, or values with nulls among them. */
  readonly count: number;
  /** Of records and values: what each statistic was, where there was one. Shares from 0 to 1, the lag in ms. */
  readonly values: Readonly<Partial<Record<Statistic, number>>>;
  /** Numbers, and their standard deviation within the bucket; null of others. */
  readonly numbers: { readonly count: number; readonly deviation: number } | null;
}

/** What a distance was taken of. */
export interface Distance {
  readonly values: number;
  readonly referenceValues: number;
  readonly kinds: number;
  /** G, and its degrees of freedom. */
  readonly g: number;
  readonly freedom: number;
}

/**
 * The figures of a bucket. One that is not there had no records, which tells of records and of nothing else.
 *
 * @param reference buckets of the same subject whose distribution this one's is held to
 * @param whole records of the whole, where the bucket is of a segment's records; else null
 */
export function figuresOf(
  beginMs: number,
  bucket: MonitorBucket | null,
  reference: readonly MonitorBucket[],
  whole: number | null,
): { readonly figures: Figures; readonly distance: Distance | null } {
  if (bucket?.place === 'view')
    return { figures: figuresOfView(beginMs, bucket.count, bucket.records), distance: null };
  const values: Partial<Record<Statistic, number>> = {};
  if (bucket === null) {
    values.volume = 0;
    if (whole !== null && whole > 0) values.share = 0;
    return { figures: { beginMs, count: 0, values, numbers: null }, distance: null };
  }
  const { count, records, values: summary } = bucket;
  if (records !== null) {
    const invalid = totalOf(records.invalid);
    const leftOut = totalOf(records.leftOut);
    values.volume = count;
    if (whole !== null && whole > 0) values.share = Math.min(1, count / whole);
    if (count + invalid > 0) values.invalid = invalid / (count + invalid);
    if (count + leftOut > 0) values['left-out'] = leftOut / (count + leftOut);
    if (count > 0) {
      values.lag = records.lagSumMs / count;
      if (records.found !== null) values.found = records.found / count;
    }
  }
  let numbers: Figures['numbers'] = null;
  let distance: Distance | null = null;
  if (summary !== null && count > 0) {
    const kept = count - summary.nulls;
    values.coverage = kept / count;
    if (summary.numbers !== null && kept > 0) {
      const mean = summary.numbers.sum / kept;
      if (Number.isFinite(mean)) {
        values.mean = mean;
        const variance = Math.max(0, summary.numbers.squares / kept - mean * mean);
        numbers = { count: kept, deviation: Math.sqrt(variance) };
      }
    }
    const pair = comparable(bucket, reference);
    if (pair !== null) {
      values.distance = jensenShannon(pair.now, pair.before);
      const { statistic, freedom } = gStatistic(pair.now, pair.before);
      const kinds = new Set([...pair.now.keys(), ...pair.before.keys()]).size;
      distance = {
        values: totalOf(pair.now),
        referenceValues: totalOf(pair.before),
        kinds,
        g: statistic,
        freedom,
      };
    }
  }
  return { figures: { beginMs, count, values, numbers }, distance };
}

/** How many records came to a view its source tells; here it is told what became of them. */
function figuresOfView(beginMs: number, kept: number, records: RecordSummary | null): Figures {
  const leftOut = records?.leftOut ?? new Map<string, number>();
  const count = kept + totalOf(leftOut);
  if (count === 0) return { beginMs, count, values: {}, numbers: null };
  const filtered = leftOut.get(NOT_KEPT) ?? 0;
  const values = { kept: 1 - filtered / count, 'left-out': (totalOf(leftOut) - filtered) / count };
  return { beginMs, count, values, numbers: null };
}
