import type pg from 'pg';
import type { Clock } from '../values/clock.ts';
import type { AlertEvent } from './alert-event.ts';
import type { AlertWebhook } from './webhook.ts';
import { webhookBody } from './webhook-body.ts';
import { dropOldNotices, endNotice, oldestNotice, releaseWebhook, takeWebhook } from './webhook-store.ts';

const ANSWER_WITHIN_MS = 10_000;
/** Longer than an answer takes: whoever dies has held it for so long. */
const HELD_MS = 60_000;
const RETRY_MIN_MS = 5_000;
const RETRY_MAX_MS = 10 * 60_000;
/** What could not be told for a day is no news. */
const KEPT_MS = 24 * 3_600_000;
/** Said again it is the same. */
const REFUSED: ReadonlySet<number> = new Set([400, 413, 422]);

/** What became of a try that was not taken; it names no address. */
export interface WebhookFailure {
  readonly webhook: string;
  /** `HTTP 503`, `ECONNREFUSED`, `timeout`. */
  readonly reason: string;
  /** In a row. */
  readonly failures: number;
  /** Changes that will not be told any more. */
  readonly givenUp: number;
}

export interface SendWebhooksOptions {
  readonly pool: pg.Pool;
  readonly webhooks: readonly AlertWebhook[];
  readonly clock: Clock;
  readonly onFailure: (failure: WebhookFailure) => void;
  /** Default 10 s. */
  readonly answerWithinMs?: number | undefined;
  /** For tests: what is thrown there is treated as the process dying there. */
  readonly failAt?: ((point: 'after-post') => void) | undefined;
}

/**
 * Tells webhooks what waits for them, each in order and one sender at a time, until nothing does or one does not take it: then it waits, longer each time,
 * and the others go on. A change is told at least once: one that dies after it was told tells it again. What was not taken for a day, and what is refused
 * for what it is, is given up. Throws what the database throws.
 *
 * @returns how many were told
 * @example
 * await sendWebhooks({ pool, webhooks, clock: systemClock, onFailure: ({ webhook, reason }) => log.warn(`${webhook}: ${reason}`) });
 */
export async function sendWebhooks(options: SendWebhooksOptions): Promise<number> {
  const { pool, webhooks, clock, onFailure } = options;
  for (const { webhook, notices } of await dropOldNotices(pool, wallMs(clock) - KEPT_MS))
    onFailure({ webhook, reason: 'not taken for a day', failures: 0, givenUp: notices });
  const told = await Promise.all(webhooks.map((webhook) => sendTo(webhook, options)));
  return told.reduce((sum, each) => sum + each, 0);
}

async function sendTo(webhook: AlertWebhook, options: SendWebhooksOptions): Promise<number> {
  const { pool, clock, onFailure } = options;
  const { name } = webhook;
  let { failures } = (await takeWebhook(pool, name, wallMs(clock), wallMs(clock) + HELD_MS)) ?? { failures: -1 };
  if (failures < 0) return 0;
  for (let told = 0; ; ) {
    const notice = await oldestNotice(pool, name);
    if (notice === null) {
      await releaseWebhook(pool, name, { nextAtMs: 0, failures, error: null });
      return told;
    }
    const answer = await post(webhook, notice.event, options.answerWithinMs ?? ANSWER_WITHIN_MS);
    const untilMs = wallMs(clock) + HELD_MS;
    if (answer === null) {
      options.failAt?.('after-post');
      await endNotice(pool, name, notice.seq, { how: 'sent', untilMs, error: null });
      failures = 0;
      told++;
    } else if (answer.isRefused) {
      await endNotice(pool, name, notice.seq, { how: 'given-up', untilMs, error: answer.reason });
      onFailure({ webhook: name, reason: answer.reason, failures, givenUp: 1 });
    } else {
      failures++;
      const waitMs = Math.max(answer.retryAfterMs, RETRY_MIN_MS * 2 ** Math.min(failures - 1, 10));
      const nextAtMs = wallMs(clock) + Math.min(RETRY_MAX_MS, waitMs);
      await releaseWebhook(pool, name, { nextAtMs, failures, error: answer.reason });
      onFailure({ webhook: name, reason: answer.reason, failures, givenUp: 0 });
      return told;
    }
  }
}

interface NotTaken {
  readonly reason: string;
  readonly retryAfterMs: number;
  readonly isRefused: boolean;
}

/** Null where it was taken, or is nothing for this webhook. */
async function post(webhook: AlertWebhook, event: AlertEvent, answerWithinMs: number): Promise<NotTaken | null> {
  const body = webhookBody(webhook, event);
  if (body === null) return null;
  try {
    const response = await fetch(webhook.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      // What is told goes to whom was named, and nowhere else.
      redirect: 'manual',
      signal: AbortSignal.timeout(answerWithinMs),
    });
    await response.body?.cancel();
    if (response.ok) return null;
    const retryAfterS = Number(response.headers.get('retry-after') ?? 0);
    return {
      reason: `HTTP ${response.status}`,
      retryAfterMs: Number.isFinite(retryAfterS) ? 1000 * retryAfterS : 0,
      isRefused: REFUSED.has(response.status),
    };
  } catch (error) {
    return { reason: reasonOf(error), retryAfterMs: 0, isRefused: false };
  }
}

/** A code: messages may have the address. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'failed';
  if (error.name === 'TimeoutError') return 'timeout';
  const code: unknown = error.cause instanceof Error ? Reflect.get(error.cause, 'code') : null;
  return typeof code === 'string' ? code : 'failed';
}

function wallMs(clock: Clock): number {
  return Math.floor(clock.nowUs() / 1000);
}
