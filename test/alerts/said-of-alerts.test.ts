import { OpenAPIHono } from '@hono/zod-openapi';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { alertFigures } from '../../engine/alerts/alert-figures.ts';
import { evaluateMonitors } from '../../engine/alerts/evaluate-monitors.ts';
import { readSilences } from '../../engine/alerts/silence.ts';
import { acknowledgeAlert, addSilence, alertNamed } from '../../engine/alerts/steer-alerts.ts';
import { writeBuckets } from '../../engine/monitors/write-buckets.ts';
import { waitingRecords } from '../../engine/postgres/outbox.ts';
import type { AdmittedEnv } from '../../serving/access/admit.ts';
import type { Scope } from '../../serving/access/scope.ts';
import { alertRoutes } from '../../serving/alert-routes.ts';
import { errorResponse } from '../../serving/error-response.ts';
import { CliRun } from '../cli/run-cli.ts';
import { openStreamDatabase } from '../stream/stream-fixture.ts';
import { clockAt, HOUR_MS, learn, NOON_MS, sourceHour } from './alert-world.ts';

let database: Awaited<ReturnType<typeof openStreamDatabase>>;
let pool: pg.Pool;
let id: string;
const clock = clockAt(NOON_MS);

async function hour(index: number, nulls: number): Promise<void> {
  const beginMs = NOON_MS + index * HOUR_MS;
  await writeBuckets(pool, sourceHour(beginMs, { nulls: { ATL: nulls } }));
  clock.set(beginMs + HOUR_MS + 300_000);
  await evaluateMonitors({ pool, clock });
}

async function events(): Promise<{ change: string; silenced: unknown }[]> {
  const waiting = await waitingRecords(pool, 'millrace.alerts', { records: 100, bytes: 1e9 });
  return waiting.map(({ value }) => JSON.parse(Buffer.from(value).toString()));
}

beforeAll(async () => {
  database = await openStreamDatabase(inject('stack').databaseUrl);
  ({ pool } = database);
  await learn(pool, NOON_MS, 8, (beginMs) => sourceHour(beginMs));
  await hour(0, 1);
  const { rows } = await pool.query<{ id: string }>('SELECT id FROM millrace_catalog.alert');
  id = rows[0]!.id;
});
afterAll(() => database.close());

async function cli(...args: string[]): Promise<{ exitCode: number | null; told: { [name: string]: unknown } }> {
  const { temporalAddress } = inject('stack');
  const variables = { DATABASE_URL: database.databaseUrl, TEMPORAL_ADDRESS: temporalAddress, MILLRACE_ACTOR: 'ana' };
  const { exitCode, stdout } = await new CliRun(['monitor', ...args, '--json'], variables).ended;
  return { exitCode, told: JSON.parse(stdout) };
}

function api(scopes: readonly Scope[]): OpenAPIHono<AdmittedEnv> {
  const app = new OpenAPIHono<AdmittedEnv>();
  app.use(async (c, next) => {
    const caller = { id: 'pager', scopes, limits: { entitiesPerS: null, bytesPerS: null } };
    c.set('admitted', { caller, spend: () => undefined });
    await next();
  });
  app.route('/', alertRoutes({ pool, clock, newId: () => 'by-http' }));
  app.onError((error, c) => {
    const { status, body } = errorResponse(error);
    return c.json(body, status);
  });
  return app;
}

const post = (body: unknown): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

describe('what people say of alerts', { timeout: 300_000 }, () => {
  it('refuses what nobody can mean', async () => {
    const said = { who: 'ana', reason: 'known' };
    await expect(alertNamed(pool, 'al_none')).rejects.toMatchObject({ code: 'unknown-alert', httpStatus: 404 });
    await expect(acknowledgeAlert(pool, id, { who: 'ana', reason: '  ' })).rejects.toMatchObject({
      code: 'invalid-alert-reason',
    });
    const all = { object: null, field: null, segment: null, kind: null };
    const silence = { ...all, ...said, id: 's', untilMs: NOON_MS + 1 };
    for (const wrong of [
      silence,
      { ...silence, object: 'flights', untilMs: NOON_MS },
      { ...silence, object: 'flights', untilMs: NOON_MS + 100 * 86_400_000 },
    ])
      await expect(addSilence(pool, wrong, NOON_MS)).rejects.toMatchObject({ code: 'invalid-silence' });
  });

  it('is told over HTTP, to whoever may', async () => {
    for (const scopes of [[], [{ kind: 'read', name: '*' }]] as const)
      expect((await api(scopes).request('/v1/alerts')).status).toBe(403);
    const app = api([{ kind: 'alerts' }]);
    const listed = (await (await app.request('/v1/alerts?state=open')).json()) as { alerts: { id: string }[] };
    expect(listed).toMatchObject({
      evaluated_until: '2026-06-01T13:00Z',
      alerts: [
        { id, kind: 'coverage', place: 'producer', field: 'delay', segment: { value: 'ATL' }, acknowledged: null },
      ],
    });
    const said = await app.request(`/v1/alerts/${id}/acknowledge`, post({ reason: 'asked ATL' }));
    expect(await said.json()).toMatchObject({ acknowledged: { who: 'pager', reason: 'asked ATL' } });
    expect((await app.request('/v1/alerts/al_none/acknowledge', post({ reason: 'x' }))).status).toBe(404);
    expect((await app.request(`/v1/alerts/${id}/silence`, post({ reason: 'x', until: 'soon' }))).status).toBe(400);
    const until = new Date(NOON_MS + 3 * HOUR_MS).toISOString();
    const silenced = await app.request(`/v1/alerts/${id}/silence`, post({ reason: 'works', until }));
    expect(await silenced.json()).toMatchObject({
      silenced: { who: 'pager', reason: 'works', until: '2026-06-01T15:00Z' },
    });
  });

  it('marks events while a silence lasts, and not after', async () => {
    const wallMs = clock.nowUs() / 1000;
    expect((await alertFigures(pool, wallMs))[0]!.open).toEqual([
      { kind: 'coverage', place: 'producer', silenced: true, alerts: 1 },
    ]);
    // Silent until 15:00: the alert closes at 16:05, and that is told.
    for (const index of [1, 2, 3]) await hour(index, 0.03);
    expect(await events()).toMatchObject([
      { change: 'opened', silenced: null },
      { change: 'closed', silenced: null },
    ]);
    expect(await readSilences(pool, clock.nowUs() / 1000)).toEqual([]);
    await expect(acknowledgeAlert(pool, id, { who: 'ana', reason: 'late' })).rejects.toMatchObject({
      code: 'alert-closed',
    });
  });

  it('is listed, shown, acknowledged and silenced on the command line', async () => {
    await hour(4, 1);
    const listed = await cli();
    expect(listed.told).toMatchObject({
      evaluated_until: '2026-06-01T17:00Z',
      alerts: [{ id, state: 'open', reopened: 1, acknowledged: null }],
    });
    expect((await cli('ack', id, '--reason', 'again')).told).toMatchObject({
      acknowledged: { who: 'ana', reason: 'again' },
    });
    const until = new Date(Date.now() + 86_400_000).toISOString();
    const { told } = await cli('silence', id, '--until', until, '--reason', 'works on the runway');
    expect(told).toMatchObject({
      object: 'flights',
      field: 'delay',
      segment: { name: 'origin', value: 'ATL' },
      kind: 'coverage',
      who: 'ana',
    });
    expect((await cli('alert', id)).told).toMatchObject({
      id,
      silenced: { id: told['id'] },
      evidence: expect.stringContaining('flights'),
    });
    expect((await cli('unsilence', String(told['id']))).told).toMatchObject({ ended: 1 });
    expect(await cli('silence', '--until', until, '--reason', 'x')).toMatchObject({
      told: { error: { code: 'bad-options' } },
    });
    expect(await cli('alert', 'al_none')).toMatchObject({ exitCode: 1, told: { error: { code: 'unknown-alert' } } });
    expect(await cli('stop')).toMatchObject({ exitCode: 1, told: { error: { code: 'monitors-not-started' } } });
    const { rows } = await pool.query('SELECT action, actor FROM millrace_catalog.audit_event ORDER BY id');
    expect(rows.map(({ action }) => action)).toEqual(['monitor ack', 'monitor silence', 'monitor unsilence']);
  });
});
