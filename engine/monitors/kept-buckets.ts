import type { Queryable } from '../postgres/queryable.ts';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';
import type { MonitorBucket } from './monitor-bucket.ts';
import type { HourCounts } from './view-hours.ts';

/** Why a record that came to a view is none of its events: its `where`; the others are left out for what they are. */
export const NOT_KEPT = 'where';

/**
 * Buckets of what views kept of the records of each hour: `count` are those that became events, `leftOut` the others, those of the `where` as `where`. Of
 * several versions that took the same hour the one that is live tells, else the one that took most.
 *
 * @param range of the hours' begins, UTC epoch ms; until is exclusive
 * @example
 * await keptBuckets(pool, { fromMs, untilMs }); // [{ place: 'view', object: 'route_delays', count: 803, records: { leftOut: Map { 'where' => 9 }, … }, … }]
 */
export async function keptBuckets(
  on: Queryable,
  { fromMs, untilMs }: { readonly fromMs: number; readonly untilMs: number },
): Promise<MonitorBucket[]> {
  const { rows } = await runSql<HourCounts & { readonly view: string; readonly [column: string]: unknown }>(
    on,
    sqlText`
    SELECT DISTINCT ON (h.view, h.begin_ms) h.view, h.begin_ms AS "beginMs", h.offered, h.filtered, h.null_key AS "nullKey", h.failed, h.late
    FROM ${CATALOG}.view_hour h LEFT JOIN ${CATALOG}.view_version v ON v.view = h.view AND v.version = h.version
    WHERE h.begin_ms >= ${fromMs} AND h.begin_ms < ${untilMs}
    ORDER BY h.view, h.begin_ms, coalesce(v.status = 'live', false) DESC, h.offered DESC, h.version DESC`,
  );
  return rows.map(({ view, ...hour }) => keptBucket(view, hour));
}

function keptBucket(view: string, { beginMs, offered, filtered, nullKey, failed, late }: HourCounts): MonitorBucket {
  const reasons = [
    [NOT_KEPT, filtered],
    ['no-key', nullKey],
    ['failed', failed],
    ['late', late],
  ] as const;
  const leftOut = new Map(reasons.filter(([, count]) => count > 0));
  return {
    place: 'view',
    object: view,
    field: null,
    segment: null,
    grain: 'hour',
    beginMs,
    count: Math.max(0, offered - filtered - nullKey - failed - late),
    values: null,
    records: { invalid: new Map(), leftOut, lagSumMs: 0, found: null },
  };
}

/** When readers of views got another version. */
export type VersionFlips = ReadonlyMap<string, readonly number[]>;

/**
 * View to when another version of it took the place of one, UTC epoch ms, ascending.
 *
 * @param by `wall`: when readers got it; `watermark`: the first hour of event time that it streamed, since who replays has no other time
 */
export async function versionFlips(
  on: Queryable,
  by: 'wall' | 'watermark',
  { fromMs, untilMs }: { readonly fromMs: number; readonly untilMs: number },
): Promise<VersionFlips> {
  const times =
    by === 'wall'
      ? sqlText`
        SELECT view, (extract(epoch FROM published_at) * 1000)::bigint AS at FROM ${CATALOG}.view_version WHERE published_at IS NOT NULL
        UNION ALL
        SELECT view, ((span->>0)::numeric / 1000)::bigint FROM ${CATALOG}.view_version, jsonb_array_elements(served_before) AS span`
      : sqlText`SELECT view, min(begin_ms) AS at FROM ${CATALOG}.view_hour GROUP BY view, version`;
  // The first of a view takes no other's place.
  const { rows } = await runSql<{ view: string; at: number }>(
    on,
    sqlText`
    SELECT view, at FROM (SELECT view, at, row_number() OVER (PARTITION BY view ORDER BY at) AS nth FROM (${times}) AS times) AS numbered
    WHERE nth > 1 AND at >= ${fromMs} AND at < ${untilMs} ORDER BY view, at`,
  );
  return new Map([...Map.groupBy(rows, ({ view }) => view)].map(([view, of]) => [view, of.map(({ at }) => at)]));
}
