import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { sendCommand, startLifecycle } from '../../cli/lifecycle-client.ts';
import type { Metric } from '../../config/metric.ts';
import { METRICS, TEMPORAL_METRICS } from '../../config/metric-list.ts';
import { installationNames } from '../../engine/installation/installation-names.ts';
import { freePort } from '../../stack/free-port.ts';
import { startApi } from '../../serving/start-api.ts';
import { ClicksWorld } from '../lifecycle/clicks-world.ts';
import { eventually, LifecycleHarness } from '../lifecycle/lifecycle-harness.ts';
import { familiesOf, type Families } from './exposition.ts';

const TIMEOUT_MS = 180_000;

let harness: LifecycleHarness;
let world: ClicksWorld;
let url: string;
/** As the worker told while its stream ran. */
let streaming: Families;

beforeAll(async () => {
  harness = await LifecycleHarness.open(inject('stack'));
  world = await ClicksWorld.open(inject('stack'), harness.taskQueue);
  world.writeHistory(world.make(500));
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  await world.startWorker({ MILLRACE_WORKER_METRICS: `127.0.0.1:${port}` });
});
afterAll(async () => {
  await world?.close();
  await harness?.close();
});

async function scraped(): Promise<Families> {
  const response = await fetch(`${url}/metrics`);
  expect(response.status).toBe(200);
  return familiesOf(await response.text());
}

async function ready(): Promise<{ readonly status: number; readonly body: Record<string, unknown> }> {
  const response = await fetch(`${url}/readyz`);
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

describe("a worker's listener", { timeout: TIMEOUT_MS }, () => {
  it('says that it is alive and can work', async () => {
    const health = await fetch(`${url}/healthz`);
    expect([health.status, await health.json()]).toEqual([
      200,
      {
        status: 'ok',
        stage: 'running',
        workers: { workflow: 'RUNNING', batch: 'RUNNING', stream: 'RUNNING', train: 'RUNNING' },
      },
    ]);
    const { status, body } = await ready();
    expect([status, body['status'], body['checks']]).toEqual([
      200,
      'ok',
      ['postgres', 'kafka', 'temporal', 'schema'].map((service) => ({ service, ok: true, reason: null })),
    ]);
    expect((await fetch(`${url}/nothing`)).status).toBe(404);
    expect((await fetch(`${url}/healthz`, { method: 'POST', body: 'x' })).status).toBe(405);
  });

  it('says what is in the way: a database that lacks a migration', async () => {
    await world.pool.query("DELETE FROM millrace_catalog.kysely_later_migration WHERE name LIKE '0010%'");
    try {
      const late = await eventually(async () => {
        const now = await ready();
        return now.status === 503 && now;
      });
      expect(late.body['status']).toBe('not-ready');
      expect(late.body['checks']).toContainEqual({
        service: 'schema',
        ok: false,
        reason: 'the database lacks 0010-kept-sizes: run "millrace migrate"',
      });
      expect((await fetch(`${url}/healthz`)).status).toBe(200);
    } finally {
      await world.pool.query(
        "INSERT INTO millrace_catalog.kysely_later_migration (name, timestamp) VALUES ('0010-kept-sizes', '2026-01-01')",
      );
    }
    await eventually(async () => (await ready()).status === 200);
  });

  it('says what is in the way: a database that a later release migrated while it ran', async () => {
    const name = '9001-of-the-next';
    await world.pool.query('INSERT INTO millrace_catalog.migration_note VALUES ($1, $2, $1)', [name, '9.0.0']);
    await world.pool.query(
      "INSERT INTO millrace_catalog.kysely_later_migration (name, timestamp) VALUES ($1, '2030-01-01')",
      [name],
    );
    try {
      const { body } = await eventually(async () => {
        const now = await ready();
        return now.status === 503 && now;
      });
      expect(body['checks']).toContainEqual({
        service: 'schema',
        ok: false,
        reason: expect.stringMatching(/^the database was migrated by release 9\.0\.0; 9001-of-the-next asks/) as string,
      });
    } finally {
      await world.pool.query('DELETE FROM millrace_catalog.kysely_later_migration WHERE name = $1', [name]);
      await world.pool.query('DELETE FROM millrace_catalog.migration_note WHERE name = $1', [name]);
    }
    await eventually(async () => (await ready()).status === 200);
  });

  it('tells phases, slices, failures, dead letters by reason, and the metrics of the SDK', async () => {
    await startLifecycle(harness.client, world.view, { catchUpLag: 0, sliceSeconds: 3 }, harness.taskQueue);
    const handle = harness.client.workflow.getHandle(`feature:${world.view}`);
    await harness.reach(handle, 'published');
    await sendCommand(harness.client, world.view, 'promote');
    await harness.reach(handle, 'streaming');
    await world.send(world.make(300));
    await world.sendBroken(3, 1);
    const of = { view: world.view };
    await eventually(async () => (await scraped()).value('millrace_slices_total', { ended: 'deadline' }) !== undefined);
    streaming = await eventually(async () => {
      const families = await scraped();
      const letters = families.value('millrace_dead_letters_total', { ...of, reason: 'amount: expected an integer' });
      const phase = families.value('millrace_view_phase', { ...of, phase: 'streaming' });
      return letters === 3 && phase === 1 && families;
    });
    expect(streaming.value('millrace_view_phase', { ...of, phase: 'catching-up' }) ?? 0).toBe(0);
    expect(streaming.value('millrace_service_reachable', { service: 'kafka' })).toBe(1);
    // A definition that this worker no longer has: what fails has a code, and the phase says so.
    await world.stopWorker();
    world.define(', more: f.count().over("2d")');
    await world.startWorker({ MILLRACE_WORKER_METRICS: new URL(url).host });
    const failed = await eventually(async () => {
      const families = await scraped();
      return families.value('millrace_view_phase', { ...of, phase: 'failed' }) === 1 && families;
    });
    expect(failed.value('millrace_activity_failures_total', { ...of, code: 'definition-changed' })).toBeGreaterThan(0);
  });

  it('tells no metric of ours that is not in the list, nor with other labels; and of the SDK those that alerts build on', async () => {
    const api = await startApi({ pool: world.pool });
    const served = familiesOf(await (await fetch(`${api.url}/metrics`)).text());
    await api.close();
    const all = [
      ['worker', streaming],
      ['worker', await scraped()],
      ['serve', served],
    ] as const;
    const seen = new Set<string>();
    for (const [from, families] of all) {
      for (const { name, labels } of families.ours()) {
        seen.add(name);
        const known: Metric | undefined = METRICS[name as keyof typeof METRICS];
        const told = [name, from, [...labels].toSorted()];
        expect(told).toEqual([name, known?.from, known === undefined ? [] : [...known.labels].toSorted()]);
      }
    }
    expect(seen.size).toBeGreaterThan(25);
    // Of these the SDK tells once there were some.
    const always = Object.keys(TEMPORAL_METRICS).filter((name) => !/fail/.test(name));
    expect(always.filter((name) => !streaming.has(name))).toEqual([]);
  });

  it('says of which installation it is, where that is not the default one', async () => {
    expect(streaming.value('millrace_service_reachable', { installation: 'blue' })).toBeUndefined();
    await world.stopWorker();
    await world.startWorker({ MILLRACE_WORKER_METRICS: new URL(url).host, MILLRACE_INSTALLATION: 'blue' });
    await eventually(async () => {
      const families = await scraped();
      const labels = { installation: 'blue', service: 'schema' };
      return families.value('millrace_service_reachable', labels) === 1;
    });
    const api = await startApi({ databaseUrl: world.databaseUrl, installation: installationNames('blue') });
    const served = familiesOf(await (await fetch(`${api.url}/metrics`)).text());
    await api.close();
    expect(served.value('millrace_database_up', { installation: 'blue' })).toBe(1);
  });
});
