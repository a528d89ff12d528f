import { writeToOutbox } from '../postgres/outbox.ts';
import type { Queryable } from '../postgres/queryable.ts';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { type SqlText, sqlText } from '../postgres/sql.ts';
import type { Alert } from './alert.ts';
import type { AlertStep } from './alert-course.ts';
import { alertEvent, type AlertEvent } from './alert-event.ts';
import { isSilenced, type Silence } from './silence.ts';
import { THRESHOLDS } from './thresholds.ts';
import type { WatchedGrain } from './series-store.ts';

/** What people said of an alert. */
export interface Acknowledgement {
  readonly who: string;
  readonly reason: string;
  /** UTC epoch µs. */
  readonly atUs: number;
}

/** An alert with what people said of it. */
export interface KnownAlert extends Alert {
  readonly acknowledged: Acknowledgement | null;
}

interface AlertRow {
  readonly body: Alert;
  readonly who: string | null;
  readonly reason: string | null;
  readonly at: number | null;
}

export interface AlertFilter {
  readonly id?: string | undefined;
  readonly state?: Alert['state'] | undefined;
  /** Of those that closed, not before. UTC epoch ms, monitor time. */
  readonly closedSinceMs?: number | undefined;
  readonly grain?: WatchedGrain | undefined;
  readonly limit?: number | undefined;
}

/**
 * Alerts, open ones first, then the newest.
 *
 * @example
 * await readAlerts(pool, { state: 'open' });
 */
export async function readAlerts(on: Queryable, filter: AlertFilter = {}): Promise<KnownAlert[]> {
  const { id, state, closedSinceMs, grain, limit } = filter;
  const where = (part: SqlText, value: unknown): SqlText => (value === undefined ? sqlText`` : sqlText`AND ${part}`);
  const { rows } = await runSql<AlertRow & { [column: string]: unknown }>(
    on,
    sqlText`
    SELECT a.body, k.who, k.reason, k.at
    FROM ${CATALOG}.alert a LEFT JOIN ${CATALOG}.alert_acknowledgement k ON k.alert = a.id
    WHERE true ${where(sqlText`a.id = ${id}`, id)} ${where(sqlText`a.state = ${state}`, state)} ${where(sqlText`a.grain = ${grain}`, grain)}
      ${where(sqlText`(a.state = 'open' OR a.closed_at_ms >= ${closedSinceMs})`, closedSinceMs)}
    ORDER BY a.state DESC, a.opened_at_ms DESC, a.id LIMIT ${limit ?? 1_000}`,
  );
  return rows.map(({ body, who, reason, at }) => ({
    ...body,
    acknowledged: who === null || reason === null || at === null ? null : { who, reason, atUs: at },
  }));
}

/** Those that a bucket may change: open, or closed so lately that they may open again. */
export async function alertsInPlay(on: Queryable, grain: WatchedGrain, atMs: number): Promise<Alert[]> {
  const { rows } = await runSql<{ body: Alert }>(
    on,
    sqlText`
    SELECT body FROM ${CATALOG}.alert
    WHERE grain = ${grain} AND (state = 'open' OR closed_at_ms >= ${atMs - THRESHOLDS.reopenWithinMs}) ORDER BY opened_at_ms DESC, id`,
  );
  return rows.map(({ body }) => body);
}

/**
 * Writes what a bucket made of alerts, in the transaction that moves the progress: a row changes by a later bucket alone, and its event goes to the outbox
 * with it.
 *
 * @returns the events, in order
 */
export async function writeAlerts(
  client: Queryable,
  steps: readonly AlertStep[],
  of: {
    readonly topic: string;
    readonly installation: string;
    readonly bucketMs: number;
    /** Monitor time, and the wall's, by which silences count. */
    readonly atMs: number;
    readonly wallMs: number;
    readonly silences: readonly Silence[];
  },
): Promise<AlertEvent[]> {
  const events: AlertEvent[] = [];
  for (const { alert, change } of steps) {
    const { id, state, grain, kind, place, root, sinceMs, openedAtMs, closedAtMs, revision } = alert;
    const { rowCount } = await runSql(
      client,
      sqlText`
      INSERT INTO ${CATALOG}.alert AS a (id, state, grain, kind, place, object, bucket_ms, since_ms, opened_at_ms, closed_at_ms, revision, body)
      VALUES (${id}, ${state}, ${grain}, ${kind}, ${place}, ${root.object}, ${of.bucketMs}, ${sinceMs}, ${openedAtMs}, ${closedAtMs}, ${revision},
        ${JSON.stringify(alert)}::jsonb)
      ON CONFLICT (id) DO UPDATE SET state = excluded.state, place = excluded.place, bucket_ms = excluded.bucket_ms, closed_at_ms = excluded.closed_at_ms,
        revision = excluded.revision, body = excluded.body, updated_at = clock_timestamp()
      WHERE a.bucket_ms < excluded.bucket_ms`,
    );
    if (rowCount !== 1 || change === null) continue;
    // What was said of it counts for the time it was said of.
    if (change === 'reopened')
      await runSql(client, sqlText`DELETE FROM ${CATALOG}.alert_acknowledgement WHERE alert = ${id}`);
    const silencedBy = of.silences.find((silence) => isSilenced(alert, silence, of.wallMs)) ?? null;
    events.push(alertEvent(alert, change, { ...of, silencedBy }));
  }
  await writeToOutbox(
    client,
    of.topic,
    events.map((event) => ({
      key: Buffer.from(event.alert),
      id: event.id,
      value: Buffer.from(JSON.stringify(event)),
      timestampMs: of.atMs,
    })),
  );
  return events;
}

/** How many alerts are open, by what deviates, where it first shows, and whether they are silenced. */
export async function openAlertCounts(
  on: Queryable,
  silences: readonly Silence[],
  wallMs: number,
): Promise<{ readonly kind: string; readonly place: string; readonly silenced: boolean; readonly alerts: number }[]> {
  const open = await readAlerts(on, { state: 'open', limit: 10_000 });
  const told = open.map((alert) => ({
    kind: alert.kind,
    place: alert.place,
    silenced: silences.some((silence) => isSilenced(alert, silence, wallMs)),
  }));
  return [...Map.groupBy(told, (each) => JSON.stringify(each)).values()].map((same) => ({
    ...same[0]!,
    alerts: same.length,
  }));
}
