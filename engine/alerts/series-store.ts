import type { Queryable } from '../postgres/queryable.ts';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';
import type { SeriesResult } from './evaluate-bucket.ts';
import type { Figures } from './figures.ts';
import type { SeriesMemory } from './judge-series.ts';
import { DAY_MS, HOUR_MS } from './monitor-time.ts';
import { THRESHOLDS } from './thresholds.ts';

export type WatchedGrain = 'hour' | 'day';

/** What is kept of a series for a bucket. */
export interface KeptSeries {
  readonly memory: SeriesMemory;
  /** Of the same hour of the weeks before it, newest first. */
  readonly past: readonly Figures[];
}

const ROWS = 1_000;

/** Of which hours of the week a bucket is one. */
export function slotOf(grain: WatchedGrain, beginMs: number): number {
  return grain === 'hour' ? Math.floor(beginMs / HOUR_MS) % 168 : Math.floor(beginMs / DAY_MS) % 7;
}

/** Series of a grain, by `subjectKey`, with what their weeks tell of a bucket. @param only of these keys; default: all */
export async function readSeries(
  on: Queryable,
  grain: WatchedGrain,
  beginMs: number,
  only?: readonly string[],
): Promise<Map<string, KeptSeries>> {
  const { rows } = await runSql<{ series: string; memory: SeriesMemory; figures: readonly Figures[] | null }>(
    on,
    sqlText`
    SELECT s.series, s.memory, f.figures
    FROM ${CATALOG}.monitor_series s
    LEFT JOIN ${CATALOG}.monitor_slot f ON f.grain = s.grain AND f.series = s.series AND f.slot = ${slotOf(grain, beginMs)}
    WHERE s.grain = ${grain} ${only === undefined ? sqlText`` : sqlText`AND s.series = ANY(${only}::text[])`}`,
  );
  const since = beginMs - THRESHOLDS.weeks * 7 * DAY_MS;
  return new Map(
    rows.map(({ series, memory, figures }) => [
      series,
      { memory, past: (figures ?? []).filter((each) => each.beginMs >= since && each.beginMs < beginMs) },
    ]),
  );
}

/** Keeps what a bucket came to, in the transaction that moves the progress; series that had nothing at all for eight weeks go. */
export async function writeSeries(
  client: Queryable,
  grain: WatchedGrain,
  beginMs: number,
  results: ReadonlyMap<string, SeriesResult>,
  before: ReadonlyMap<string, KeptSeries>,
): Promise<void> {
  const all = [...results].map(([series, { figures, memory }]) => {
    const past = before.get(series)?.past ?? [];
    return { series, memory, figures: [figures, ...past].slice(0, THRESHOLDS.weeks) };
  });
  for (let from = 0; from < all.length; from += ROWS) {
    const part = all.slice(from, from + ROWS);
    const keys = part.map(({ series }) => series);
    await runSql(
      client,
      sqlText`
      INSERT INTO ${CATALOG}.monitor_series AS s (grain, series, memory)
      SELECT ${grain}, r.series, r.memory FROM unnest(${keys}::text[], ${part.map(({ memory }) => JSON.stringify(memory))}::jsonb[]) AS r(series, memory)
      ON CONFLICT (grain, series) DO UPDATE SET memory = excluded.memory`,
    );
    await runSql(
      client,
      sqlText`
      INSERT INTO ${CATALOG}.monitor_slot AS s (grain, slot, series, figures)
      SELECT ${grain}, ${slotOf(grain, beginMs)}, r.series, r.figures
      FROM unnest(${keys}::text[], ${part.map(({ figures }) => JSON.stringify(figures))}::jsonb[]) AS r(series, figures)
      ON CONFLICT (grain, slot, series) DO UPDATE SET figures = excluded.figures`,
    );
  }
  const quiet = all.filter(
    ({ figures }) =>
      figures.length >= THRESHOLDS.weeks &&
      figures.every(({ count, values }) => count === 0 && (values.invalid ?? 0) === 0),
  );
  await forgetSilent(
    client,
    grain,
    quiet.map(({ series }) => series),
  );
}

/** Of series that had nothing at one hour for eight weeks, removes those that had nothing at any: many sleep at night. */
async function forgetSilent(client: Queryable, grain: WatchedGrain, quiet: readonly string[]): Promise<void> {
  if (quiet.length === 0) return;
  const { rows } = await runSql<{ series: string }>(
    client,
    sqlText`
    SELECT q.series FROM unnest(${quiet}::text[]) AS q(series)
    WHERE NOT EXISTS (
      SELECT FROM generate_series(0, 167) AS n(slot)
      JOIN ${CATALOG}.monitor_slot m ON m.grain = ${grain} AND m.slot = n.slot AND m.series = q.series,
        jsonb_array_elements(m.figures) f
      WHERE ((f ->> 'count')::double precision > 0 OR (f #>> '{values,invalid}')::double precision > 0))`,
  );
  const gone = rows.map(({ series }) => series);
  if (gone.length === 0) return;
  for (const table of [sqlText`${CATALOG}.monitor_slot`, sqlText`${CATALOG}.monitor_series`])
    await runSql(client, sqlText`DELETE FROM ${table} WHERE grain = ${grain} AND series = ANY(${gone}::text[])`);
}

/** Where a grain's evaluation is: the first bucket that is not evaluated, and from which on it watches. */
export interface MonitorProgress {
  readonly nextMs: number;
  readonly watchFromMs: number;
}

/** Null before the first evaluation. */
export async function readProgress(on: Queryable, grain: WatchedGrain): Promise<MonitorProgress | null> {
  const { rows } = await runSql<{ next_ms: number; watch_from_ms: number }>(
    on,
    sqlText`SELECT next_ms, watch_from_ms FROM ${CATALOG}.monitor_progress WHERE grain = ${grain}`,
  );
  const row = rows[0];
  return row === undefined ? null : { nextMs: row.next_ms, watchFromMs: row.watch_from_ms };
}

/** Begins a grain's evaluation; whoever comes second changes nothing. */
export async function beginProgress(
  on: Queryable,
  grain: WatchedGrain,
  { nextMs, watchFromMs }: MonitorProgress,
): Promise<void> {
  await runSql(
    on,
    sqlText`
    INSERT INTO ${CATALOG}.monitor_progress (grain, next_ms, watch_from_ms) VALUES (${grain}, ${nextMs}, ${watchFromMs})
    ON CONFLICT DO NOTHING`,
  );
}

/** Moves the progress from one bucket to another; false where somebody else has moved it. In the transaction of what the bucket came to. */
export async function moveProgress(
  client: Queryable,
  grain: WatchedGrain,
  fromMs: number,
  toMs: number,
): Promise<boolean> {
  const { rowCount } = await runSql(
    client,
    sqlText`
    UPDATE ${CATALOG}.monitor_progress SET next_ms = ${toMs}, updated_at = clock_timestamp() WHERE grain = ${grain} AND next_ms = ${fromMs}`,
  );
  return rowCount === 1;
}

/** Begin of the oldest bucket of all, since a time; null where there is none. */
export async function oldestBucketMs(on: Queryable, sinceMs: number): Promise<number | null> {
  const { rows } = await runSql<{ oldest: number | null }>(
    on,
    sqlText`SELECT min(begin_ms) AS oldest FROM ${CATALOG}.monitor_bucket WHERE grain = 'hour' AND begin_ms >= ${sinceMs}`,
  );
  return rows[0]?.oldest ?? null;
}
