import type { MonitorBucket, MonitorPlace } from '../../engine/monitors/monitor-bucket.ts';
import { readBuckets } from '../../engine/monitors/read-buckets.ts';
import { sqlState } from '../../engine/postgres/postgres-error.ts';
import type { Queryable } from '../../engine/postgres/queryable.ts';
import { runSql } from '../../engine/postgres/run-sql.ts';
import { CATALOG } from '../../engine/postgres/schemas.ts';
import { sqlText } from '../../engine/postgres/sql.ts';

const DAY_MS = 86_400_000;
/** Hours of 8 days, and the days before them. */
const SHOWN_MS = 60 * DAY_MS;
const MOST_BUCKETS = 300;
/** Of segments: 200 a bucket, at most. */
const MOST_SEGMENT_BUCKETS = 4_000;
const SEGMENTS_MS = 2 * DAY_MS;
const UNDEFINED_TABLE = '42P01';

/** What is looked at. */
export interface MonitorSubject {
  readonly place: MonitorPlace;
  readonly object: string;
  /** Null: its records. */
  readonly field: string | null;
}

/** The buckets of a subject: of the whole, by time, and of its segments, of the newest two days. */
export interface MonitorSeries {
  readonly whole: readonly MonitorBucket[];
  readonly segments: readonly MonitorBucket[];
}

/** Counts back from the newest bucket there is, not from now: what is looked at may be of another time. Null: nothing is monitored. */
export async function monitorSeries(
  on: Queryable,
  { place, object, field }: MonitorSubject,
): Promise<MonitorSeries | null> {
  const newestMs = await newestBucketMs(on, place, object);
  if (newestMs === null) return null;
  const untilMs = newestMs + 1;
  const of = { place, object, field, untilMs };
  const [whole, all] = await Promise.all([
    readBuckets(on, { ...of, segment: null, fromMs: untilMs - SHOWN_MS, limit: 10 * MOST_BUCKETS }),
    readBuckets(on, { ...of, segment: 'any', fromMs: untilMs - SEGMENTS_MS, limit: MOST_SEGMENT_BUCKETS }),
  ]);
  const inOrder = whole.toSorted((a, b) => a.beginMs - b.beginMs);
  return { whole: inOrder.slice(-MOST_BUCKETS), segments: all.filter(({ segment }) => segment !== null) };
}

/** The buckets of the newest 24 hours, and those of the same hours a week before: weekdays differ. Buckets of one subject, or of many. */
export function dayAndWeekBefore(buckets: readonly MonitorBucket[]): {
  readonly day: readonly MonitorBucket[];
  readonly before: readonly MonitorBucket[];
} {
  const untilMs = buckets.reduce((most, { beginMs }) => Math.max(most, beginMs), Number.NEGATIVE_INFINITY) + 1;
  const since = (fromMs: number, toMs: number) => buckets.filter(({ beginMs }) => beginMs >= fromMs && beginMs < toMs);
  return {
    day: since(untilMs - DAY_MS, untilMs),
    before: since(untilMs - 8 * DAY_MS, untilMs - 7 * DAY_MS),
  };
}

/** The newest bucket of all fields of an object; empty where nothing is monitored. */
export async function newestBuckets(
  on: Queryable,
  place: MonitorPlace,
  object: string,
): Promise<readonly MonitorBucket[]> {
  const newestMs = await newestBucketMs(on, place, object);
  if (newestMs === null) return [];
  return await readBuckets(on, { place, object, segment: null, fromMs: newestMs, untilMs: newestMs + 1 });
}

/** UTC epoch ms of its begin; null: there is none. By the index of the whole. */
export async function newestBucketMs(on: Queryable, place: MonitorPlace, object: string): Promise<number | null> {
  try {
    const { rows } = await runSql<{ begin_ms: number }>(
      on,
      sqlText`SELECT begin_ms FROM ${CATALOG}.monitor_bucket
      WHERE place = ${place} AND object = ${object} AND segment_name = '' AND segment_value = '' ORDER BY begin_ms DESC LIMIT 1`,
    );
    return rows[0]?.begin_ms ?? null;
  } catch (error) {
    // A reader is upgraded before the workers that migrate.
    if (sqlState(error) === UNDEFINED_TABLE) return null;
    throw error;
  }
}
