import type { MonitorBucket, RecordSummary, ValueSummary } from '../monitors/monitor-bucket.ts';
import { subjectKey } from './subject-text.ts';

/**
 * Buckets of one subject as one, per subject: what hours tell of their day. Counts and sums are exact as far as doubles are; texts that were named in some
 * of them alone count where they were. Distinct values cannot be told.
 */
export function mergeBuckets(
  buckets: readonly MonitorBucket[],
  grain: MonitorBucket['grain'],
  beginMs: number,
): Map<string, MonitorBucket> {
  const merged = new Map<string, MonitorBucket>();
  for (const bucket of buckets) {
    const key = subjectKey(bucket);
    const before = merged.get(key);
    merged.set(key, { ...(before === undefined ? bucket : both(before, bucket)), grain, beginMs });
  }
  return merged;
}

function both(a: MonitorBucket, b: MonitorBucket): MonitorBucket {
  return {
    ...a,
    count: a.count + b.count,
    values: a.values === null || b.values === null ? (a.values ?? b.values) : bothValues(a.values, b.values),
    records: a.records === null || b.records === null ? (a.records ?? b.records) : bothRecords(a.records, b.records),
  };
}

function bothValues(a: ValueSummary, b: ValueSummary): ValueSummary {
  const numbers =
    a.numbers === null || b.numbers === null
      ? (a.numbers ?? b.numbers)
      : {
          sum: a.numbers.sum + b.numbers.sum,
          squares: a.numbers.squares + b.numbers.squares,
          zeros: a.numbers.zeros + b.numbers.zeros,
        };
  const top =
    a.top === null || b.top === null
      ? (a.top ?? b.top)
      : { counts: added(a.top.counts, b.top.counts), others: a.top.others + b.top.others };
  const bins = a.bins === null || b.bins === null ? (a.bins ?? b.bins) : added(a.bins, b.bins);
  return { nulls: a.nulls + b.nulls, numbers, bins, top, distinct: null };
}

function bothRecords(a: RecordSummary, b: RecordSummary): RecordSummary {
  return {
    invalid: added(a.invalid, b.invalid),
    leftOut: added(a.leftOut, b.leftOut),
    lagSumMs: a.lagSumMs + b.lagSumMs,
    found: a.found === null || b.found === null ? null : a.found + b.found,
  };
}

function added<Key>(a: ReadonlyMap<Key, number>, b: ReadonlyMap<Key, number>): Map<Key, number> {
  const sum = new Map(a);
  for (const [key, count] of b) sum.set(key, (sum.get(key) ?? 0) + count);
  return sum;
}
