import type { Queryable } from '../postgres/queryable.ts';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';
import type { Clock } from '../values/clock.ts';

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;
export const LENGTH_MS = { hour: HOUR_MS, day: DAY_MS } as const;
/** How late records may come without being late for their bucket. */
export const ALLOWED_LATENESS_MS = 5 * 60_000;

/** By what monitors tell the time: `wall` where sources are live, `watermark` while they replay. */
export const MONITOR_CLOCKS = ['wall', 'watermark'] as const;
export type MonitorClock = (typeof MONITOR_CLOCKS)[number];

/**
 * What time it is for monitors, UTC epoch ms: by the wall, or the newest time that records of any source told. Null where no source told any.
 *
 * @example
 * await monitorTimeMs(pool, 'watermark', systemClock); // Date.parse('2013-06-03T15:05:00Z') in a replay of 2013
 */
export async function monitorTimeMs(on: Queryable, by: MonitorClock, clock: Clock): Promise<number | null> {
  if (by === 'wall') return Math.floor(clock.nowUs() / 1000);
  const { rows } = await runSql<{ newest: number | null }>(
    on,
    sqlText`SELECT max(newest_ms) AS newest FROM ${CATALOG}.monitor_source`,
  );
  return rows[0]?.newest ?? null;
}

/** When a bucket closes: a silent source has no watermark of its own, and closes with the others, or by the wall. */
export function closesAtMs(grain: keyof typeof LENGTH_MS, beginMs: number, latenessMs: number): number {
  return beginMs + LENGTH_MS[grain] + latenessMs;
}
