import { bucketOf } from '../../engine/reduce/quantile-buckets.ts';
import type { MonitorBucket, MonitorGrain } from '../../engine/monitors/monitor-bucket.ts';

/** A record as the oracle is given it: judged by hand. */
export interface OracleRecord {
  readonly partition: number;
  readonly brokerMs: number;
  /** Null: it is no row. */
  readonly row: OracleRow | null;
  /** Why it is none. */
  readonly left: { readonly as: 'invalid' | 'leftOut'; readonly reason: string } | null;
}

export interface OracleRow {
  readonly atMs: number;
  readonly origin: string | null;
  readonly delay: number | null;
  /** Hundredths. */
  readonly fareCents: number | null;
  /** A multiple of 1/4: sums of a few are exact. */
  readonly weight: number | null;
  readonly cancelled: boolean;
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** What is told of records, worked out from the list by the words of the design: no partials, no merging. */
export function naiveBuckets(records: readonly OracleRecord[]): MonitorBucket[] {
  const newest = Math.max(
    ...records.flatMap(({ row, brokerMs }) => (row === null ? [] : [Math.min(row.atMs, brokerMs)])),
  );
  const buckets = new Map<string, { grain: MonitorGrain; beginMs: number; records: OracleRecord[] }>();
  for (const record of records) {
    const time = timeOf(record.row?.atMs ?? record.brokerMs, Number.isFinite(newest) ? newest : null);
    const key = JSON.stringify(time);
    const of = buckets.get(key) ?? { ...time, records: [] };
    of.records.push(record);
    buckets.set(key, of);
  }
  return [...buckets.values()].flatMap(({ grain, beginMs, records: of }) => {
    const segments: [name: string, value: (record: OracleRecord) => string | null][] = [
      ['partition', ({ partition }) => `${partition}`],
      ['origin', ({ row }) => row?.origin ?? null],
      ['late', ({ row }) => (row === null || row.delay === null ? null : row.delay > 15 ? 'late' : 'on time')],
    ];
    const whole = { place: 'source', object: 'flights', grain, beginMs } as const;
    const told = [...summaries({ ...whole, segment: null }, of, true)];
    for (const [name, value] of segments) {
      const byValue = Map.groupBy(of, value);
      byValue.delete(null);
      const ranked = [...byValue].sort(([a, ofA], [b, ofB]) => ofB.length - ofA.length || (a! < b! ? -1 : 1));
      for (const [rank, [text, ofValue]] of ranked.slice(0, 200).entries())
        told.push(...summaries({ ...whole, segment: { name, value: text! } }, ofValue, rank < 20));
      const rest = ranked.slice(200).flatMap(([, ofValue]) => ofValue);
      if (rest.length > 0) told.push(...summaries({ ...whole, segment: { name, value: 'other' } }, rest, false));
    }
    return told;
  });
}

function timeOf(timeMs: number, newest: number | null): { grain: MonitorGrain; beginMs: number } {
  const hour = Math.floor(timeMs / HOUR) * HOUR;
  const day = Math.floor(timeMs / DAY) * DAY;
  const week = day - ((new Date(day).getUTCDay() + 6) % 7) * DAY;
  if (newest !== null && week + 7 * DAY <= newest - 56 * DAY) return { grain: 'week', beginMs: week };
  if (newest !== null && day + DAY <= newest - 8 * DAY) return { grain: 'day', beginMs: day };
  return { grain: 'hour', beginMs: hour };
}

function summaries(
  of: Omit<MonitorBucket, 'field' | 'count' | 'values' | 'records'>,
  records: readonly OracleRecord[],
  sketched: boolean,
): MonitorBucket[] {
  const rows = records.flatMap(({ row, brokerMs }) => (row === null ? [] : [{ row, brokerMs }]));
  const reasons = (as: 'invalid' | 'leftOut'): Map<string, number> =>
    countsOf(records.flatMap(({ left }) => (left?.as === as ? [left.reason] : [])));
  const told: MonitorBucket[] = [
    {
      ...of,
      field: null,
      count: records.length,
      values: null,
      records: {
        invalid: reasons('invalid'),
        leftOut: reasons('leftOut'),
        lagSumMs: rows.reduce((sum, { row, brokerMs }) => sum + (brokerMs - row.atMs), 0),
        found: null,
      },
    },
  ];
  if (rows.length === 0) return told;
  const plain = (field: string, values: readonly unknown[]): void => {
    const nulls = values.filter((value) => value === null).length;
    told.push({
      ...of,
      field,
      count: values.length,
      records: null,
      values: { nulls, numbers: null, bins: null, top: null, distinct: null },
    });
  };
  const numbers = (field: string, values: readonly (number | null)[], unit: number): void => {
    const known = values.filter((value) => value !== null);
    told.push({
      ...of,
      field,
      count: values.length,
      records: null,
      values: {
        nulls: values.length - known.length,
        numbers: {
          sum: known.reduce((sum, value) => sum + value, 0) / unit,
          squares: known.reduce((sum, value) => sum + value * value, 0) / (unit * unit),
          zeros: known.filter((value) => value === 0).length,
        },
        bins: sketched
          ? new Map([...countsOf(known.map((value) => bucketOf(6)(value / unit)))].sort(([a], [b]) => a - b))
          : null,
        top: null,
        distinct: sketched ? new Set(known).size : null,
      },
    });
  };
  const texts = (field: string, values: readonly (string | null)[]): void => {
    const known = values.filter((value) => value !== null);
    const ranked = [...countsOf(known)].sort(([a, ofA], [b, ofB]) => ofB - ofA || (a < b ? -1 : 1)).slice(0, 50);
    const shown = ranked.reduce((sum, [, count]) => sum + count, 0);
    told.push({
      ...of,
      field,
      count: values.length,
      records: null,
      values: {
        nulls: values.length - known.length,
        numbers: null,
        bins: null,
        top: sketched ? { counts: new Map(ranked), others: known.length - shown } : null,
        distinct: sketched ? new Set(known).size : null,
      },
    });
  };
  plain('id', rows);
  plain('at', rows);
  texts(
    'origin',
    rows.map(({ row }) => row.origin),
  );
  numbers(
    'delay',
    rows.map(({ row }) => row.delay),
    1,
  );
  numbers(
    'fare',
    rows.map(({ row }) => row.fareCents),
    100,
  );
  numbers(
    'weight',
    rows.map(({ row }) => row.weight),
    1,
  );
  texts(
    'cancelled',
    rows.map(({ row }) => `${row.cancelled}`),
  );
  return told;
}

function countsOf<Key>(keys: readonly Key[]): Map<Key, number> {
  const counts = new Map<Key, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}

/** Buckets as texts in one order, to compare all of them. */
export function bucketTexts(buckets: readonly MonitorBucket[]): string[] {
  return buckets.map((bucket) => JSON.stringify(bucket, ordered)).toSorted();
}

function ordered(_key: string, value: unknown): unknown {
  if (value instanceof Map) return [...value].sort(([a], [b]) => (a < b ? -1 : 1));
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The first text that either lacks, of each: empty where both are equal. */
export function firstDifference(ours: readonly string[], theirs: readonly string[]): (string | undefined)[] {
  const [own, other] = [new Set(ours), new Set(theirs)];
  return [ours.find((text) => !other.has(text)), theirs.find((text) => !own.has(text))].filter(Boolean);
}
