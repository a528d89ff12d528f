import { Context } from '@temporalio/activity';
import { alertText, isoMs } from '../engine/alerts/alert-event.ts';
import { readAlerts } from '../engine/alerts/alert-store.ts';
import { evaluateMonitors } from '../engine/alerts/evaluate-monitors.ts';
import { pathsOfDefinitions } from '../engine/alerts/paths-of-definitions.ts';
import { sendAlerts } from '../engine/alerts/send-alerts.ts';
import { outboxFill } from '../engine/postgres/outbox.ts';
import { installationOf } from '../engine/postgres/settled-queries.ts';
import type { EvaluateInput, EvaluateSummary } from '../workflows/watch-monitors/contract.ts';
import type { ActivityDeps } from './activity-deps.ts';
import { tellWebhooks } from './tell-webhooks.ts';

/** Of one call: it is asked again where more is due. */
const MOST_BUCKETS = 50;
const SHOWN = 20;

/** Evaluates what is due, and sends what became of alerts. */
export async function evaluateDue(deps: ActivityDeps, input: EvaluateInput): Promise<EvaluateSummary> {
  const { pool, clock, writer, topicReader, definitions, identity } = deps;
  const context = Context.current();
  const signal = context.cancellationSignal;
  const { nowMs, buckets, events, behind } = await evaluateMonitors({
    pool,
    clock,
    time: input.clock,
    allowedLatenessMs: input.allowedLatenessMs,
    watchFromMs: input.watchFromMs ?? undefined,
    paths: pathsOfDefinitions(definitions),
    rules: definitions.monitors,
    webhooks: deps.webhooks?.map(({ name }) => name),
    most: MOST_BUCKETS,
    signal,
  });
  tellWebhooks(deps, context.log);
  if (writer != null && topicReader !== null) {
    const fence = {
      generation: input.generation,
      attemptMs: context.info.currentAttemptScheduledTimestampMs,
      owner: identity,
    };
    const { rows } = await outboxFill(pool, installationOf(pool).alertsTopic);
    if (rows > 0) await sendAlerts({ pool, writer, reader: topicReader, fence, signal });
  }
  const { rows: waiting } = await outboxFill(pool, installationOf(pool).alertsTopic);
  const open = await readAlerts(pool, { state: 'open' });
  return {
    now: nowMs === null ? null : isoMs(nowMs),
    buckets,
    changes: events.slice(-SHOWN).map(({ change, text, at }) => `${at} ${change}: ${text}`),
    events: events.length,
    behind,
    open: open.slice(0, SHOWN).map((alert) => alertText(alert)),
    openCount: open.length,
    waiting,
  };
}
