import { runSql } from '../engine/postgres/run-sql.ts';
import { CATALOG } from '../engine/postgres/schemas.ts';
import { sqlText } from '../engine/postgres/sql.ts';
import { monitorServed } from '../engine/value-monitors/served-monitor.ts';
import type { ActivityDeps } from './activity-deps.ts';

const HOUR_MS = 3_600_000;
/** An hour is closed so long after its end: by then the logs have sent what they had. */
const LATENESS_MS = 5 * 60_000;
/** Of a log that was not looked at for longer, the rest is `monitor backfill`'s. */
const MOST_HOURS = 24;
/** Ten weeks, as of the store. */
const KEPT_MS = 70 * 24 * HOUR_MS;

/** Up to when a process has looked: an hour without reads leaves no bucket. */
const lookedUntil = new WeakMap<ActivityDeps['pool'], number>();

/** Tells of the hours of the serving log that were closed since it was looked at last. */
export async function watchServed(
  { pool, reader, servedTopic, definitions, clock }: ActivityDeps,
  signal: AbortSignal,
): Promise<void> {
  if (reader === null) return;
  const untilMs = Math.floor((clock.nowUs() / 1000 - LATENESS_MS) / HOUR_MS) * HOUR_MS;
  const known = lookedUntil.get(pool) ?? (await toldUntil(pool));
  const fromMs = Math.max(known, untilMs - MOST_HOURS * HOUR_MS);
  if (fromMs >= untilMs) return;
  const { services, views } = definitions;
  await monitorServed({ pool, reader, topic: servedTopic, services, views, fromMs, untilMs, signal });
  lookedUntil.set(pool, untilMs);
  await runSql(
    pool,
    sqlText`DELETE FROM ${CATALOG}.monitor_bucket WHERE place = 'served' AND begin_ms < ${untilMs - KEPT_MS}`,
  );
}

async function toldUntil(pool: ActivityDeps['pool']): Promise<number> {
  const { rows } = await runSql<{ newest: number | null }>(
    pool,
    sqlText`SELECT max(begin_ms) AS newest FROM ${CATALOG}.monitor_bucket WHERE place = 'served' AND grain = 'hour' AND segment_name = ''`,
  );
  const newest = rows[0]?.newest ?? null;
  return newest === null ? 0 : newest + HOUR_MS;
}
