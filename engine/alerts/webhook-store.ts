import type { Queryable } from '../postgres/queryable.ts';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';
import type { AlertEvent } from './alert-event.ts';

/** A change that waits to be told. */
export interface AlertNotice {
  readonly seq: number;
  readonly event: AlertEvent;
}

/** Keeps events for each webhook, in the transaction that wrote them. */
export async function noteForWebhooks(
  client: Queryable,
  webhooks: readonly string[],
  events: readonly AlertEvent[],
  wallMs: number,
): Promise<void> {
  if (webhooks.length === 0 || events.length === 0) return;
  await runSql(
    client,
    sqlText`INSERT INTO ${CATALOG}.alert_webhook (webhook) SELECT * FROM unnest(${webhooks}::text[]) ON CONFLICT DO NOTHING`,
  );
  await runSql(
    client,
    sqlText`
    INSERT INTO ${CATALOG}.alert_notice (webhook, event, written_at_ms)
    SELECT w.webhook, e.event, ${wallMs} FROM unnest(${events.map((event) => JSON.stringify(event))}::jsonb[]) WITH ORDINALITY AS e(event, place)
    CROSS JOIN unnest(${webhooks}::text[]) AS w(webhook) ORDER BY e.place, w.webhook`,
  );
}

/** Takes the sending of a webhook until a time; null where somebody else sends, it waits after a failure, or nothing is to be told. */
export async function takeWebhook(
  on: Queryable,
  webhook: string,
  nowMs: number,
  untilMs: number,
): Promise<{ readonly failures: number } | null> {
  const { rows } = await runSql<{ failures: number }>(
    on,
    sqlText`
    UPDATE ${CATALOG}.alert_webhook SET next_at_ms = ${untilMs}
    WHERE webhook = ${webhook} AND next_at_ms <= ${nowMs} AND EXISTS (SELECT FROM ${CATALOG}.alert_notice WHERE webhook = ${webhook})
    RETURNING failures`,
  );
  return rows[0] ?? null;
}

/** The one that has waited longest: of one alert in the order of its changes. */
export async function oldestNotice(on: Queryable, webhook: string): Promise<AlertNotice | null> {
  const { rows } = await runSql<{ seq: number; event: AlertEvent }>(
    on,
    sqlText`SELECT seq, event FROM ${CATALOG}.alert_notice WHERE webhook = ${webhook} ORDER BY seq LIMIT 1`,
  );
  return rows[0] ?? null;
}

/** What became of a notice that is to be sent no more. */
export async function endNotice(
  on: Queryable,
  webhook: string,
  seq: number,
  ended: { readonly how: 'sent' | 'given-up'; readonly untilMs: number; readonly error: string | null },
): Promise<void> {
  const { how, untilMs, error } = ended;
  await runSql(
    on,
    sqlText`
    WITH gone AS (DELETE FROM ${CATALOG}.alert_notice WHERE seq = ${seq} RETURNING seq), counted AS (SELECT count(*) AS n FROM gone)
    UPDATE ${CATALOG}.alert_webhook SET next_at_ms = ${untilMs}, failures = 0, last_error = ${error},
      sent = sent + CASE WHEN ${how === 'sent'} THEN counted.n ELSE 0 END,
      given_up = given_up + CASE WHEN ${how === 'sent'} THEN 0 ELSE counted.n END
    FROM counted WHERE webhook = ${webhook}`,
  );
}

/** Lets go of a webhook: at once, or until it is tried again. */
export async function releaseWebhook(
  on: Queryable,
  webhook: string,
  to: { readonly nextAtMs: number; readonly failures: number; readonly error: string | null },
): Promise<void> {
  await runSql(
    on,
    sqlText`
    UPDATE ${CATALOG}.alert_webhook SET next_at_ms = ${to.nextAtMs}, failures = ${to.failures}, last_error = coalesce(${to.error}::text, last_error)
    WHERE webhook = ${webhook}`,
  );
}

/** Drops what nobody could be told for too long, of all webhooks, those that are not configured any more among them. Per webhook how many. */
export async function dropOldNotices(
  on: Queryable,
  beforeMs: number,
): Promise<readonly { readonly webhook: string; readonly notices: number }[]> {
  const { rows } = await runSql<{ webhook: string; notices: number }>(
    on,
    sqlText`
    WITH gone AS (DELETE FROM ${CATALOG}.alert_notice WHERE written_at_ms < ${beforeMs} RETURNING webhook),
      counted AS (SELECT webhook, count(*) AS notices FROM gone GROUP BY webhook)
    UPDATE ${CATALOG}.alert_webhook w SET given_up = w.given_up + counted.notices FROM counted WHERE w.webhook = counted.webhook
    RETURNING w.webhook, counted.notices`,
  );
  return rows;
}

/** How a webhook stands. */
export interface WebhookFigures {
  readonly webhook: string;
  readonly waiting: number;
  /** In a row. */
  readonly failures: number;
  readonly sent: number;
  readonly givenUp: number;
  readonly lastError: string | null;
}

/** How webhooks stand that were ever told of. */
export async function webhookFigures(on: Queryable): Promise<WebhookFigures[]> {
  const { rows } = await runSql<{ [column: string]: unknown } & WebhookFigures>(
    on,
    sqlText`
    SELECT w.webhook, w.failures, w.sent, w.given_up AS "givenUp", w.last_error AS "lastError",
      (SELECT count(*) FROM ${CATALOG}.alert_notice n WHERE n.webhook = w.webhook) AS waiting
    FROM ${CATALOG}.alert_webhook w ORDER BY w.webhook`,
  );
  return rows;
}
