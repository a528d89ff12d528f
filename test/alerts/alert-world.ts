import type pg from 'pg';
import type { MonitorBucket, MonitorPlace, MonitorSegment } from '../../engine/monitors/monitor-bucket.ts';
import { writeBuckets } from '../../engine/monitors/write-buckets.ts';
import { evaluateBucket } from '../../engine/alerts/evaluate-bucket.ts';
import { NO_MEMORY } from '../../engine/alerts/judge-series.ts';
import { beginProgress, readSeries, writeSeries } from '../../engine/alerts/series-store.ts';
import { subjectKey } from '../../engine/alerts/subject-text.ts';
import { bucketOf } from '../../engine/reduce/quantile-buckets.ts';
import type { Clock } from '../../engine/values/clock.ts';

export const HOUR_MS = 3_600_000;
const WEEK_MS = 168 * HOUR_MS;
/** A Monday's noon. */
export const NOON_MS = Date.parse('2026-06-01T12:00:00Z');
const ORIGINS = ['ATL', 'ORD', 'DEN'];
const PARTITIONS = ['0', '1'];
const toBin = bucketOf(6);

/** What is different about an hour. */
export interface Odd {
  /** Times as many records. */
  readonly volume?: number;
  /** Nulls of `delay` of this origin, as a share. */
  readonly nulls?: Readonly<Record<string, number>>;
  /** What values of `delay` of this origin are multiplied by. */
  readonly unit?: Readonly<Record<string, number>>;
  /** Times as many records of this partition. */
  readonly partition?: Readonly<Record<string, number>>;
  readonly invalid?: number;
}

/** One source's buckets of an hour: 300 records an hour and origin, a little more or fewer each week. */
export function sourceHour(beginMs: number, odd: Odd = {}): MonitorBucket[] {
  const week = Math.floor(beginMs / WEEK_MS);
  const hour = Math.floor(beginMs / HOUR_MS);
  const wobble = 1 + 0.02 * (((week * 7 + hour * 3) % 5) - 2);
  const volume = (odd.volume ?? 1) * wobble;
  const extra = Object.values(odd.partition ?? {}).reduce((sum, times) => sum + (times - 1) / PARTITIONS.length, 0);
  const of = { grain: 'hour' as const, beginMs, place: 'source' as const, object: 'flights' };
  const rows = ORIGINS.map((origin) => ({
    origin,
    count: Math.round(300 * volume * (1 + extra)),
    nulls: odd.nulls?.[origin] ?? 0.03,
    unit: odd.unit?.[origin] ?? 1,
  })).filter(({ count }) => count > 0);
  if (rows.length === 0) return [];
  const records = (segment: MonitorSegment | null, count: number, invalid = 0): MonitorBucket => ({
    ...of,
    field: null,
    segment,
    count,
    values: null,
    records: {
      invalid: new Map(invalid === 0 ? [] : [['not-json', invalid]]),
      leftOut: new Map(),
      lagSumMs: count * 1_000,
      found: null,
    },
  });
  const delay = (segment: MonitorSegment | null, some: typeof rows): MonitorBucket => {
    const bins = new Map<number, number>();
    let [sum, squares, nulls, count] = [0, 0, 0, 0];
    for (const row of some) {
      const lost = Math.round(row.count * row.nulls);
      nulls += lost;
      count += row.count;
      for (let at = 0; at < row.count - lost; at++) {
        const value = (1 + ((at * 7) % 60)) * row.unit;
        sum += value;
        squares += value * value;
        bins.set(toBin(value), (bins.get(toBin(value)) ?? 0) + 1);
      }
    }
    const values = { nulls, numbers: { sum, squares, zeros: 0 }, bins, top: null, distinct: null };
    return { ...of, field: 'delay', segment, count, values, records: null };
  };
  const total = rows.reduce((sum, { count }) => sum + count, 0);
  return [
    records(null, total, odd.invalid ?? 0),
    delay(null, rows),
    ...rows.flatMap((row) => {
      const segment = { name: 'origin', value: row.origin };
      return [records(segment, row.count), delay(segment, [row])];
    }),
    ...PARTITIONS.map((value) => {
      const share = (odd.partition?.[value] ?? 1) / PARTITIONS.length / (1 + extra);
      return records({ name: 'partition', value }, Math.round(total * share));
    }),
  ];
}

/** The same numbers of a view's feature, or of a service's. */
export function likeSource(
  buckets: readonly MonitorBucket[],
  place: Exclude<MonitorPlace, 'source'>,
  object: string,
  nameOf: (field: string) => string,
): MonitorBucket[] {
  return buckets
    .filter(({ segment }) => segment?.name !== 'partition')
    .map((bucket) => ({ ...bucket, place, object, field: bucket.field === null ? null : nameOf(bucket.field) }));
}

/** Eight weeks of some hours, as if they had been evaluated, with progress at the first of them. */
export async function learn(
  pool: pg.Pool,
  fromMs: number,
  hours: number,
  bucketsOf: (beginMs: number) => readonly MonitorBucket[],
): Promise<void> {
  for (let week = 8; week >= 1; week--)
    for (let hour = 0; hour < hours; hour++) {
      const beginMs = fromMs + hour * HOUR_MS - week * WEEK_MS;
      const kept = await readSeries(pool, 'hour', beginMs);
      const inputs = bucketsOf(beginMs).map((bucket) => {
        const { past = [], memory = NO_MEMORY } = kept.get(subjectKey(bucket)) ?? {};
        const { place, object, field, segment } = bucket;
        return { subject: { place, object, field, segment }, bucket, reference: [], past, memory, isTested: false };
      });
      await writeSeries(pool, 'hour', beginMs, evaluateBucket('hour', beginMs, inputs).series, kept);
    }
  // What distributions are held to.
  for (let day = 1; day <= 7; day++)
    for (let hour = 0; hour < hours; hour++)
      await writeBuckets(
        pool,
        bucketsOf(fromMs + hour * HOUR_MS - day * 24 * HOUR_MS).filter(({ place }) => place !== 'view'),
      );
  await beginProgress(pool, 'hour', { nextMs: fromMs, watchFromMs: fromMs });
  await beginProgress(pool, 'day', { nextMs: fromMs + 30 * 24 * HOUR_MS, watchFromMs: fromMs });
}

/** A clock that says what it is told. */
export function clockAt(ms: number): Clock & { set(ms: number): void } {
  let nowMs = ms;
  return {
    nowUs: () => nowMs * 1000,
    monotonicMs: () => nowMs,
    set(to) {
      nowMs = to;
    },
  };
}
