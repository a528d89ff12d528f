import { type FieldJson, fieldOfJson } from '../../engine/monitors/bucket-json.ts';
import type { MonitorBucket, MonitorGrain, MonitorSegment } from '../../engine/monitors/monitor-bucket.ts';
import { readBuckets } from '../../engine/monitors/read-buckets.ts';
import type { Queryable } from '../../engine/postgres/queryable.ts';
import { runSql } from '../../engine/postgres/run-sql.ts';
import { CATALOG } from '../../engine/postgres/schemas.ts';
import { sqlText } from '../../engine/postgres/sql.ts';
import { byWeight, type Drift, driftOf } from './drift.ts';
import { dayAndWeekBefore, newestBucketMs } from './monitor-series.ts';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
/** Rows of segments of a day that are looked at, and as many of the week before: those of 200 segments, and of partitions. */
const MOST_ROWS = 12_000;
const LEAST_RECORDS = 30;
/** So many values of JSON are looked through per day; with more features than that allows, of fewer hours. */
const MOST_VALUES = 30_000;
const HOURS_OF_SEGMENTS = 24 * 200;

/** A feature, or a feature of a segment, over the newest day and the same hours a week before. */
export interface QualityRow {
  readonly field: string;
  /** Null: the whole. */
  readonly segment: MonitorSegment | null;
  readonly drift: Drift;
  readonly day: readonly MonitorBucket[];
  readonly before: readonly MonitorBucket[];
}

/** How the features of a view are, the worst first. */
export interface ViewQuality {
  /** Begin of the newest bucket, UTC epoch ms. */
  readonly newestMs: number;
  /** All features. */
  readonly features: readonly QualityRow[];
  /** The worst of segments, at most as many as were asked for: of those with 30 values on both sides that lost most coverage or moved most. */
  readonly segments: readonly QualityRow[];
  /** Which segments are the worst was told of every so many hours. */
  readonly everyHours: number;
}

/**
 * Five statements, whatever there is; null where nothing is monitored.
 *
 * @param features how many the view has
 */
export async function viewQuality(
  on: Queryable,
  view: string,
  features: number,
  mostSegments: number,
): Promise<ViewQuality | null> {
  const newestMs = await newestBucketMs(on, 'store', view);
  if (newestMs === null) return null;
  const untilMs = newestMs + 1;
  const whole = { place: 'store', object: view, segment: null } as const;
  const weekMs = 7 * DAY_MS;
  const everyHours = Math.min(24, Math.max(1, Math.ceil((features * HOURS_OF_SEGMENTS) / MOST_VALUES)));
  const [day, before, worst] = await Promise.all([
    readBuckets(on, { ...whole, fromMs: untilMs - DAY_MS, untilMs }),
    readBuckets(on, { ...whole, fromMs: untilMs - DAY_MS - weekMs, untilMs: untilMs - weekMs }),
    worstSegments(on, { view, untilMs, everyHours, limit: mostSegments }),
  ]);
  const ofSegments = worst.length === 0 ? [] : await bucketsOf(on, view, untilMs, worst);
  return {
    newestMs,
    features: rowsOf([...day, ...before].filter(({ field }) => field !== null)),
    segments: rowsOf(ofSegments),
    everyHours,
  };
}

function rowsOf(buckets: readonly MonitorBucket[]): QualityRow[] {
  const { day, before } = dayAndWeekBefore(buckets);
  const keyOf = ({ field, segment }: MonitorBucket): string => JSON.stringify([field, segment?.name, segment?.value]);
  const past = Map.groupBy(before, keyOf);
  return [...Map.groupBy(day, keyOf)]
    .map(([key, own]) => {
      const old = past.get(key) ?? [];
      const { field, segment } = own[0]!;
      return { field: field!, segment, drift: driftOf(own, old), day: own, before: old };
    })
    .toSorted((a, b) => byWeight(a.drift, b.drift));
}

interface WorstSegment {
  readonly name: string;
  readonly value: string;
  readonly field: string;
}

/** By counts and sums alone: what lost most of its coverage in units of 5 points, or whose mean moved most, in a quarter of its deviation. */
async function worstSegments(
  on: Queryable,
  {
    view,
    untilMs,
    everyHours,
    limit,
  }: { readonly view: string; readonly untilMs: number; readonly everyHours: number; readonly limit: number },
): Promise<WorstSegment[]> {
  const least = LEAST_RECORDS / everyHours;
  const rowsSince = (fromMs: number, toMs: number) => sqlText`
    SELECT segment_name AS name, segment_value AS value, f.key AS field, sum((f.value->>'n')::float8) AS n,
      sum(coalesce((f.value->>'nulls')::float8, 0)) AS nulls, sum((f.value->'num'->>0)::float8) AS total, sum((f.value->'num'->>1)::float8) AS squares
    FROM (SELECT segment_name, segment_value, fields FROM ${CATALOG}.monitor_bucket
      WHERE place = 'store' AND object = ${view} AND segment_name <> '' AND begin_ms >= ${fromMs} AND begin_ms < ${toMs}
        AND (grain <> 'hour' OR (begin_ms / ${HOUR_MS}) % ${everyHours} = ${Math.floor(toMs / HOUR_MS) % everyHours})
      LIMIT ${MOST_ROWS}) b, jsonb_each(b.fields) f
    GROUP BY 1, 2, 3`;
  const { rows } = await runSql<WorstSegment & { [column: string]: unknown }>(
    on,
    sqlText`
    WITH now AS (${rowsSince(untilMs - DAY_MS, untilMs)}),
      past AS (${rowsSince(untilMs - 8 * DAY_MS, untilMs - 7 * DAY_MS)}),
      both_days AS (
        SELECT now.name, now.value, now.field, now.n, now.nulls, past.n AS past_n, past.nulls AS past_nulls,
          now.total / nullif(now.n - now.nulls, 0) AS mean, past.total / nullif(past.n - past.nulls, 0) AS past_mean,
          sqrt(greatest(0, past.squares / nullif(past.n - past.nulls, 0) - power(past.total / nullif(past.n - past.nulls, 0), 2))) AS deviation
        FROM now LEFT JOIN past ON past.name = now.name AND past.value = now.value AND past.field = now.field
        WHERE now.n >= ${least} AND (past.n IS NULL OR past.n >= ${least})
      )
    SELECT name, value, field FROM both_days
    ORDER BY greatest(abs(nulls / n - coalesce(past_nulls / past_n, nulls / n)) / 0.05, coalesce(abs(mean - past_mean) / nullif(deviation, 0) / 0.25, 0)) DESC,
      nulls / n DESC, n DESC, name, value, field
    LIMIT ${limit}`,
  );
  return rows;
}

/** The buckets of some segments' fields, of both days. */
async function bucketsOf(
  on: Queryable,
  view: string,
  untilMs: number,
  worst: readonly WorstSegment[],
): Promise<MonitorBucket[]> {
  const { rows } = await runSql<
    WorstSegment & { grain: MonitorGrain; begin_ms: number; summary: FieldJson; [column: string]: unknown }
  >(
    on,
    sqlText`
    SELECT w.name, w.value, w.field, b.grain, b.begin_ms, b.fields->w.field AS summary
    FROM unnest(${worst.map(({ name }) => name)}::text[], ${worst.map(({ value }) => value)}::text[], ${worst.map(({ field }) => field)}::text[])
      AS w(name, value, field)
    JOIN ${CATALOG}.monitor_bucket b ON b.place = 'store' AND b.object = ${view} AND b.segment_name = w.name AND b.segment_value = w.value
      AND b.begin_ms >= ${untilMs - 8 * DAY_MS} AND b.begin_ms < ${untilMs}
      AND (b.begin_ms >= ${untilMs - DAY_MS} OR b.begin_ms < ${untilMs - 7 * DAY_MS}) AND b.fields ? w.field
    ORDER BY b.begin_ms`,
  );
  return rows.map(({ name, value, field, grain, begin_ms: beginMs, summary }) => ({
    place: 'store',
    object: view,
    field,
    segment: { name, value },
    grain,
    beginMs,
    ...fieldOfJson(summary),
    records: null,
  }));
}
