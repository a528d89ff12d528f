import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { sendCommand, sendVersionCommand, startLifecycle } from '../../cli/lifecycle-client.ts';
import type { BackfillProgress } from '../../engine/backfill/backfill-progress.ts';
import { runBackfill } from '../../engine/backfill/run-backfill.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { versions } from '../../engine/postgres/view-versions.ts';
import { buildFacts, expectNothingSaved } from '../backfill/build-facts.ts';
import { type KafkaFixture, openKafka } from '../kafka/kafka-fixture.ts';
import { ClicksWorld } from '../lifecycle/clicks-world.ts';
import { eventually, LifecycleHarness } from '../lifecycle/lifecycle-harness.ts';
import { compositeView } from '../stream/composite-view.ts';
import { openStreamDatabase } from '../stream/stream-fixture.ts';
import { type Purchase, purchaseBytes } from '../stream/stream-view.ts';
import type { BackfillChildConfig } from './backfill-child.ts';

const PARTITIONS = 3;

describe('a process that backfills', () => {
  let kafka: KafkaFixture;
  let database: Awaited<ReturnType<typeof openStreamDatabase>>;
  let folder: string;
  beforeAll(async () => {
    const stack = inject('stack');
    kafka = await openKafka(stack.kafkaBrokers);
    database = await openStreamDatabase(stack.databaseUrl);
    folder = await mkdtemp(join(tmpdir(), 'millrace-killed-'));
  });
  afterAll(async () => {
    await kafka.close();
    await database.close();
    await rm(folder, { recursive: true, force: true });
  });

  const purchase = (n: number): Purchase => ({
    id: `id-${n % 19 === 3 ? n - 1 : n}`,
    at: n % 211 === 5 ? 'never' : new Date(n * 60_000).toISOString(),
    customer: `c${n % 997}`,
    amount: n % 10,
  });

  async function killedAt(config: BackfillChildConfig, savedRows: number): Promise<void> {
    const child = spawn(
      process.execPath,
      [fileURLToPath(new URL('./backfill-child.ts', import.meta.url)), JSON.stringify(config)],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const lines = createInterface({ input: child.stdout });
    for await (const line of lines) if ((JSON.parse(line) as BackfillProgress).savedRows >= savedRows) break;
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    expect(child.signalCode).toBe('SIGKILL');
  }

  test('killed with -9 again and again comes to what one that was not would have come to, and reads nothing again that it had saved', async () => {
    const topic = 'killed-backfill';
    await kafka.createTopic(topic, PARTITIONS);
    const history = join(folder, 'history.jsonl');
    const rows = Array.from({ length: 24_000 }, (_, n) => purchase(n));
    await writeFile(
      history,
      rows
        .slice(0, 20_000)
        .map((row) => `${JSON.stringify(row)}\n`)
        .join(''),
    );
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const own = rows.slice(20_000).filter(({ customer }) => Number(customer?.slice(1)) % PARTITIONS === partition);
      await kafka.send(
        topic,
        partition,
        own.map((row) => purchaseBytes(row).toString()),
      );
    }
    const { kafkaBrokers: brokers } = inject('stack');
    const config = { databaseUrl: database.databaseUrl, brokers, topic, history, spillDir: join(folder, 'spill') };
    const view = await compositeView({ topic, history: { path: history, untilUs: null, disjoint: true } });
    const progress: BackfillProgress[] = [];
    const options = {
      view,
      pool: database.pool,
      reader: kafka.reader,
      spillDir: join(folder, 'spill'),
      clock: systemClock,
      builder: 'faults',
      onProgress: (at: BackfillProgress) => progress.push(at),
    };
    const whole = await runBackfill(options);
    const expected = await buildFacts(database.pool, view, whole.version);
    progress.length = 0;
    // The version that was built for comparison goes when the next is begun.
    const kills = [1, 6_000, 12_000, 18_000, 20_001];
    for (const [life, savedRows] of kills.entries())
      await killedAt({ ...config, build: 'killed', attemptMs: life + 1 }, savedRows);
    const result = await runBackfill({ ...options, attempt: { build: 'killed', attemptMs: 99 } });
    expect(progress[0]?.resumedRows).toBeGreaterThan(20_000);
    expect(await buildFacts(database.pool, view, result.version)).toEqual(expected);
    expect((await versions(database.pool, view.name)).filter(({ build }) => build === 'killed')).toHaveLength(1);
    await expectNothingSaved(database.pool);
  });
});

describe('a version that cannot be published', { timeout: 180_000 }, () => {
  let harness: LifecycleHarness;
  let world: ClicksWorld;
  beforeAll(async () => {
    harness = await LifecycleHarness.open(inject('stack'));
    world = await ClicksWorld.open(inject('stack'), harness.taskQueue);
    world.writeHistory(world.make(500));
    await world.send(world.make(100));
    world.define(", most: f.max('amount')");
    await world.startWorker();
  });
  afterAll(async () => {
    await world?.close();
    await harness?.close();
  });

  test('because somebody built on a column that it has no more is kept, served on from before, and approved once that is gone', async () => {
    const { view, pool } = world;
    await startLifecycle(harness.client, view, { catchUpLag: 0 }, harness.taskQueue);
    const handle = harness.client.workflow.getHandle(`feature:${view}`);
    await harness.reach(handle, 'published');
    await pool.query(`CREATE VIEW public.dashboard AS SELECT person, most FROM millrace.${view}`);
    world.define('');
    await world.stopWorker();
    await world.startWorker();
    await world.send(world.make(50));
    await sendCommand(harness.client, view, 'rebackfill');
    await harness.until(handle, ({ candidate }) => candidate?.isCaughtUp === true);
    const approve = () => sendVersionCommand(harness.client, view, 'approve', { version: 2 });
    await expect(approve()).rejects.toMatchObject({ code: 'sql-view-in-use' });
    expect(await harness.status(handle)).toMatchObject({ version: 1, candidate: { version: 2, rows: 650 } });
    const statusOf = async (version: number): Promise<string | undefined> =>
      (await versions(pool, view)).find((one) => one.version === version)?.status;
    expect([await statusOf(1), await statusOf(2)]).toEqual(['live', 'built']);
    expect((await pool.query('SELECT count(*)::int AS n FROM public.dashboard')).rows).toEqual([{ n: 7 }]);
    // Whatever becomes of the worker meanwhile.
    await world.stopWorker();
    await world.startWorker();
    await pool.query('DROP VIEW public.dashboard');
    await world.send(world.make(50));
    expect(await approve()).toMatchObject({ version: 2, previous: { version: 1 } });
    const expected = JSON.stringify(world.expected());
    await eventually(async () => JSON.stringify(await world.served()) === expected);
    expect(await harness.status(handle)).toMatchObject({ candidate: null, error: null });
    expect(await versions(pool, view)).toHaveLength(2);
    await sendCommand(harness.client, view, 'retire');
    await handle.result();
  });
});
