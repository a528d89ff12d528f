import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import type { AlertEvent } from '../../engine/alerts/alert-event.ts';
import { sendWebhooks, type WebhookFailure } from '../../engine/alerts/send-webhooks.ts';
import type { AlertWebhook } from '../../engine/alerts/webhook.ts';
import { noteForWebhooks, webhookFigures } from '../../engine/alerts/webhook-store.ts';
import { withTransaction } from '../../engine/postgres/transaction.ts';
import { openStreamDatabase } from '../stream/stream-fixture.ts';
import { clockAt, NOON_MS } from './alert-world.ts';

let database: Awaited<ReturnType<typeof openStreamDatabase>>;
let pool: pg.Pool;
let server: Server;
let webhooks: readonly AlertWebhook[];
/** What came, by path, and how it is answered: 0 is never. */
let came: { path: string; body: Record<string, unknown> }[] = [];
let answers: Record<string, { status: number; retryAfter?: string }> = {};

beforeAll(async () => {
  database = await openStreamDatabase(inject('stack').databaseUrl);
  ({ pool } = database);
  server = createServer((request, response) => {
    void (async () => {
      let text = '';
      for await (const part of request) text += String(part);
      const path = request.url ?? '';
      came.push({ path, body: JSON.parse(text) as Record<string, unknown> });
      const { status, retryAfter } = answers[path] ?? { status: 200 };
      if (status === 0) return;
      response.writeHead(status, {
        ...(retryAfter === undefined ? {} : { 'retry-after': retryAfter }),
        location: '/elsewhere',
      });
      response.end('ok');
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const of = (name: string, shape: AlertWebhook['shape']): AlertWebhook => ({
    name,
    shape,
    url: `http://127.0.0.1:${port}/${name}/secret`,
    routingKey: shape === 'pagerduty' ? 'R0' : null,
  });
  webhooks = [of('oncall', 'pagerduty'), of('own', 'json'), of('team', 'slack')];
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await database.close();
});
afterEach(async () => {
  came = [];
  answers = {};
  for (const table of ['alert_notice', 'alert_webhook']) await pool.query(`DELETE FROM millrace_catalog.${table}`);
});

const event = (revision: number, change: AlertEvent['change'] = 'grew'): AlertEvent => ({
  id: `al_1/${revision}`,
  alert: 'al_1',
  change,
  installation: 'default',
  at: '2026-06-01T13:05Z',
  kind: 'coverage',
  place: 'producer',
  object: 'flights',
  field: 'delay',
  segment: null,
  since: '2026-06-01T12:00Z',
  until: null,
  value: 0,
  usual: 0.97,
  records: 300,
  members: 1,
  text: 'flights.delay: coverage 0.0 %',
  silenced: null,
});
const note = (events: readonly AlertEvent[], names = webhooks.map(({ name }) => name), atMs = NOON_MS): Promise<void> =>
  withTransaction(pool, (client) => noteForWebhooks(client, names, events, atMs));

async function send(atMs: number, more: Partial<Parameters<typeof sendWebhooks>[0]> = {}) {
  const failures: WebhookFailure[] = [];
  const told = await sendWebhooks({
    pool,
    webhooks,
    clock: clockAt(atMs),
    onFailure: (failure) => failures.push(failure),
    ...more,
  });
  return { told, failures };
}

const cameTo = (name: string) => came.filter(({ path }) => path === `/${name}/secret`).map(({ body }) => body);

describe('webhooks', { timeout: 60_000 }, () => {
  it('are told each change once, in order, in their shapes', async () => {
    await note([event(1, 'opened'), event(2), event(3, 'closed')]);
    expect(await send(NOON_MS)).toEqual({ told: 9, failures: [] });
    expect(cameTo('own').map(({ id }) => id)).toEqual(['al_1/1', 'al_1/2', 'al_1/3']);
    expect(cameTo('oncall').map((body) => body['event_action'])).toEqual(['trigger', 'trigger', 'resolve']);
    expect(cameTo('team')[0]).toMatchObject({ text: 'Opened: flights.delay: coverage 0.0 %' });
    expect(await send(NOON_MS)).toEqual({ told: 0, failures: [] });
    expect(await webhookFigures(pool)).toMatchObject([{ sent: 3, waiting: 0 }, { sent: 3 }, { sent: 3 }]);
  });

  it('are tried again, later each time, while the others go on; what follows waits for what came first', async () => {
    answers = { '/own/secret': { status: 503 } };
    await note([event(1, 'opened'), event(2, 'closed')]);
    const first = await send(NOON_MS);
    expect(first.told).toBe(4);
    expect(first.failures).toEqual([{ webhook: 'own', reason: 'HTTP 503', failures: 1, givenUp: 0 }]);
    expect(JSON.stringify([first, await webhookFigures(pool)])).not.toContain('/secret');
    expect(await send(NOON_MS + 4_999)).toEqual({ told: 0, failures: [] });
    expect((await send(NOON_MS + 5_000)).failures).toMatchObject([{ failures: 2 }]);
    expect(await send(NOON_MS + 14_999)).toEqual({ told: 0, failures: [] });
    answers = { '/own/secret': { status: 429, retryAfter: '120' } };
    expect((await send(NOON_MS + 15_000)).failures).toMatchObject([{ reason: 'HTTP 429', failures: 3 }]);
    answers = {};
    expect(await send(NOON_MS + 134_999)).toEqual({ told: 0, failures: [] });
    expect(await send(NOON_MS + 135_000)).toEqual({ told: 2, failures: [] });
    expect(cameTo('own').map(({ id }) => id)).toEqual(['al_1/1', 'al_1/1', 'al_1/1', 'al_1/1', 'al_1/2']);
    expect(await webhookFigures(pool)).toMatchObject([{}, { webhook: 'own', failures: 0, sent: 2, waiting: 0 }, {}]);
  });

  it('are told again what was told by one that died after it, and by one sender at a time', async () => {
    await note([event(1)], ['own']);
    const died = send(NOON_MS, {
      failAt: () => {
        throw new Error('died');
      },
    });
    await expect(died).rejects.toThrow('died');
    // The dead one holds it for its minute.
    expect((await send(NOON_MS + 59_999)).told).toBe(0);
    const all = await Promise.all([1, 2, 3].map(() => send(NOON_MS + 60_000)));
    expect(all.reduce((sum, { told }) => sum + told, 0)).toBe(1);
    expect(cameTo('own').map(({ id }) => id)).toEqual(['al_1/1', 'al_1/1']);
  });

  it('that do not answer, cannot be reached or redirect are named by a code', async () => {
    answers = { '/own/secret': { status: 0 }, '/team/secret': { status: 307 } };
    const away = { ...webhooks[0]!, url: 'http://127.0.0.1:1/secret' };
    await note([event(1)]);
    const { failures } = await send(NOON_MS, { webhooks: [away, webhooks[1]!, webhooks[2]!], answerWithinMs: 50 });
    expect(failures.map(({ webhook, reason }) => `${webhook} ${reason}`).toSorted()).toEqual([
      expect.stringMatching(/^oncall (ECONNREFUSED|failed)$/),
      'own timeout',
      'team HTTP 307',
    ]);
    expect(came.map(({ path }) => path)).not.toContain('/elsewhere');
  });

  it('are not told what they refuse, nor what is a day old, whoever was to be told', async () => {
    answers = { '/own/secret': { status: 400 } };
    await note([event(1), event(2)], ['own', 'gone']);
    const { told, failures } = await send(NOON_MS);
    expect(told).toBe(0);
    expect(failures).toEqual([1, 2].map(() => ({ webhook: 'own', reason: 'HTTP 400', failures: 0, givenUp: 1 })));
    const late = await send(NOON_MS + 24 * 3_600_000 + 1);
    expect(late.failures).toEqual([{ webhook: 'gone', reason: 'not taken for a day', failures: 0, givenUp: 2 }]);
    expect(await webhookFigures(pool)).toMatchObject([
      { webhook: 'gone', waiting: 0, givenUp: 2 },
      { webhook: 'own', waiting: 0, givenUp: 2, lastError: 'HTTP 400' },
    ]);
  });
});
