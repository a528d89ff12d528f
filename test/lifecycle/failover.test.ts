import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { runningActivities, sendCommand, startLifecycle } from '../../cli/lifecycle-client.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { ident } from '../../engine/postgres/sql.ts';
import { ClicksWorld } from './clicks-world.ts';
import { freePort } from '../../stack/free-port.ts';
import { eventually, LifecycleHarness } from './lifecycle-harness.ts';

/** Errors nobody had named ended a stream at so many attempts. */
const ATTEMPTS_OF_OLD = 5;

let harness: LifecycleHarness;
let world: ClicksWorld;
/** On another database of the server: its own sessions stay as they are. */
let admin: pg.Pool;
let database: string;
let metricsPort: number;

beforeAll(async () => {
  admin = createPool(inject('stack').databaseUrl, { max: 1 });
  harness = await LifecycleHarness.open(inject('stack'));
  world = await ClicksWorld.open(inject('stack'), harness.taskQueue);
  database = new URL(world.databaseUrl).pathname.slice(1);
  world.writeHistory(world.make(500));
  metricsPort = await freePort();
  await world.startWorker({ MILLRACE_WORKER_METRICS: `127.0.0.1:${metricsPort}` });
  await startLifecycle(harness.client, world.view, { catchUpLag: 0 }, harness.taskQueue);
  await sendCommand(harness.client, world.view, 'promote');
  await harness.reach(harness.client.workflow.getHandle(`feature:${world.view}`), 'streaming');
});
afterAll(async () => {
  await world?.close();
  await harness?.close();
  await admin?.end();
});

async function setReadOnly(isReadOnly: boolean): Promise<void> {
  await admin.query(
    `ALTER DATABASE ${ident(database)} ${isReadOnly ? 'SET default_transaction_read_only = on' : 'RESET default_transaction_read_only'}`,
  );
  if (isReadOnly)
    await admin.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [database]);
}

/** Transactions of the database that failed so far. */
async function rolledBack(): Promise<number> {
  const { rows } = await admin.query<{ n: number }>(
    'SELECT xact_rollback::int AS n FROM pg_stat_database WHERE datname = $1',
    [database],
  );
  return rows[0]!.n;
}

/** As the worker tells Prometheus of the stream's activity. */
async function streamMetric(name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  const line = text
    .split('\n')
    .find((one) => one.startsWith(`millrace_activity_${name}{`) && one.includes('runStreamSlice'));
  if (line === undefined) throw new Error(`no such metric in ${text}`);
  expect(line).toContain(`workflow_id="feature:${world.view}"`);
  return Number(line.split(' ').at(-1));
}

async function servedInFull(): Promise<void> {
  const expected = JSON.stringify(world.expected());
  await eventually(async () => JSON.stringify(await world.served()) === expected);
}

describe('a database that answers, but read-only', { timeout: 180_000 }, () => {
  it('is waited for by a stream, for longer than any count of attempts, and the stream goes on by itself', async () => {
    const handle = harness.client.workflow.getHandle(`feature:${world.view}`);
    await world.send(world.make(200));
    await servedInFull();
    const before = await eventually(() => world.served().catch(() => null));
    await setReadOnly(true);
    await world.send(world.make(200));
    const waiting = await harness.reach(handle, 'waiting');
    expect(waiting).toMatchObject({ error: null, waitingFor: { code: 'database-read-only' } });
    expect(waiting.waitingFor?.message).toContain('takes no writes at present');
    const since = waiting.waitingFor!.sinceMs;
    const failed = await rolledBack();
    // Its own sessions broke off, and are opened anew by whoever reads.
    await eventually(async () => {
      const served = await world.served();
      expect(served).toEqual(before);
      return (await rolledBack()) > failed + ATTEMPTS_OF_OLD;
    });
    const description = await handle.describe();
    expect(description.searchAttributes).toMatchObject({ FeaturePhase: ['waiting'] });
    const [activity] = runningActivities(description);
    expect(activity?.figures['waitingFor']).toContain('read-only');
    expect(activity?.attempt).toBe(1);
    expect((await harness.status(handle)).waitingFor?.sinceMs).toBe(since);
    expect(await streamMetric('waiting_seconds')).toBeGreaterThan(0);
    // A command is heard meanwhile, and made so once it can be.
    await sendCommand(harness.client, world.view, 'pause');
    expect((await harness.reach(handle, 'pausing')).error).toBeNull();
    await setReadOnly(false);
    await harness.reach(handle, 'paused');
    await sendCommand(harness.client, world.view, 'resume');
    const streaming = await harness.reach(handle, 'streaming');
    expect(streaming).toMatchObject({ waitingFor: null, error: null });
    await servedInFull();
  });

  it('goes on without anybody when it takes writes again', async () => {
    const handle = harness.client.workflow.getHandle(`feature:${world.view}`);
    await setReadOnly(true);
    await world.send(world.make(100));
    await harness.reach(handle, 'waiting');
    await setReadOnly(false);
    await servedInFull();
    expect(await harness.reach(handle, 'streaming')).toMatchObject({
      waitingFor: null,
      error: null,
      phase: 'streaming',
    });
  });

  it('is waited for by a build, which is published without anybody once it takes writes again', async () => {
    const handle = harness.client.workflow.getHandle(`feature:${world.view}`);
    await setReadOnly(true);
    await sendCommand(harness.client, world.view, 'rebackfill');
    const waiting = await harness.reach(handle, 'waiting');
    expect(waiting).toMatchObject({ version: 1, error: null, waitingFor: { code: 'database-read-only' } });
    await setReadOnly(false);
    const built = await harness.until(handle, ({ version, phase, error }) => {
      if (error !== null) throw new Error(`failed: ${JSON.stringify(error)}`);
      return version === 2 && phase === 'streaming';
    });
    expect(built.waitingFor).toBeNull();
    await servedInFull();
  });
});
