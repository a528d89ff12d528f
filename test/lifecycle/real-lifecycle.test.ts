import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { WorkflowFailedError, WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import {
  runningActivities,
  sendCommand,
  sendVersionCommand,
  startLifecycle,
  tellApplied,
} from '../../cli/lifecycle-client.ts';
import { SQL_SURFACE } from '../../engine/online/sql-surface.ts';
import { withTransaction } from '../../engine/postgres/transaction.ts';
import { streamOffsets } from '../../engine/postgres/stream-offsets.ts';
import { liveVersion } from '../../engine/postgres/live-version.ts';
import { setSqlSurface, versions } from '../../engine/postgres/view-versions.ts';
import type { Command, LifecycleStatus } from '../../workflows/feature-lifecycle/contract.ts';
import type { ExportSummary } from '../../workflows/export-training-set/contract.ts';
import { ClicksWorld, type Served } from './clicks-world.ts';
import { eventually, LifecycleHarness } from './lifecycle-harness.ts';

/** Heartbeats of a killed worker run out after 15 s (stream) and 20 s (backfill). */
const TIMEOUT_MS = 180_000;

let harness: LifecycleHarness;
let world: ClicksWorld;
beforeAll(async () => {
  harness = await LifecycleHarness.open(inject('stack'));
  world = await ClicksWorld.open(inject('stack'), harness.taskQueue);
  world.writeHistory(world.make(2_000));
  await world.send(world.make(500));
  await world.startWorker();
});
afterAll(async () => {
  await world?.close();
  await harness?.close();
});

const lifecycle = (): WorkflowHandle => harness.client.workflow.getHandle(`feature:${world.view}`);
const send = (command: Command): Promise<LifecycleStatus> => sendCommand(harness.client, world.view, command);
const start = (): Promise<boolean> =>
  startLifecycle(harness.client, world.view, { sliceSeconds: 5, catchUpLag: 0 }, harness.taskQueue);

/** Waits until what is served is what all clicks come to. */
async function servedInFull(): Promise<void> {
  const expected = world.expected();
  await eventually(async () => equal(await world.served(), expected));
  expect(await world.served()).toEqual(expected);
}

function equal(a: Served, b: Served): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

async function kill9(): Promise<void> {
  const pid = world.workerPid;
  process.kill(pid, 'SIGKILL');
  await eventually(() => world.workerPid !== pid);
}

describe('a view, on the real services', { timeout: TIMEOUT_MS }, () => {
  it('is backfilled from its history and what its topic held, and published', async () => {
    expect(await start()).toBe(true);
    const status = await harness.reach(lifecycle(), 'published');
    expect(status).toMatchObject({ version: 1, rows: 2_500, entities: 7, error: null });
    expect(await world.served()).toEqual(world.expected());
    // Each partition's stream begins exactly where the batch ended.
    const offsets = await streamOffsets(world.pool, world.view, 1);
    expect(offsets.reduce((sum, at) => sum + at.nextOffset, 0)).toBe(500);
  });

  it('is not started a second time', async () => {
    expect(await start()).toBe(false);
    expect((await harness.status(lifecycle())).phase).toBe('published');
  });

  it('is refreshed up to the present end', async () => {
    await world.send(world.make(100));
    expect(await world.served()).not.toEqual(world.expected());
    await send('refresh');
    await harness.reach(lifecycle(), 'published');
    expect(await world.served()).toEqual(world.expected());
  });

  it('is promoted, and streams', async () => {
    await world.send(world.make(300));
    await send('promote');
    const status = await harness.reach(lifecycle(), 'streaming');
    expect(status.lag).toBe(0);
    // Every feature of every entity was compared with a backfill over the same log.
    expect(status.proof).toMatchObject({ verdict: 'equal', entities: 7, cellsCompared: 28, cellsDiffering: 0 });
    await world.send(world.make(300));
    await servedInFull();
    const description = await lifecycle().describe();
    expect(description.searchAttributes).toMatchObject({
      FeatureView: [world.view],
      FeaturePhase: ['streaming'],
      FeatureVersion: [1],
      FeatureParity: ['PARITY_OK'],
    });
  });

  it('writes nothing while it is paused, and loses nothing by it', async () => {
    await send('pause');
    await harness.reach(lifecycle(), 'paused');
    const before = await streamOffsets(world.pool, world.view, 1);
    await world.send(world.make(200));
    expect((await streamOffsets(world.pool, world.view, 1)).map((at) => at.nextOffset)).toEqual(
      before.map((at) => at.nextOffset),
    );
    await send('resume');
    await harness.reach(lifecycle(), 'streaming');
    await servedInFull();
  });

  it('goes on by itself when its worker is killed while streaming', async () => {
    const clicks = world.make(600);
    await world.send(clicks.slice(0, 300));
    await kill9();
    await world.send(clicks.slice(300));
    await servedInFull();
  });

  it('is built again aside while it streams', async () => {
    await send('rebackfill');
    await world.send(world.make(100));
    await harness.until(lifecycle(), ({ version, phase }) => version === 2 && phase === 'streaming');
    await servedInFull();
    await world.send(world.make(100));
    await servedInFull();
  });

  it('tells that its definition changed, is served meanwhile, and flips to the new one on rebackfill and approval', async () => {
    const expected = world.expected();
    world.define(", most: f.max('amount')");
    await world.stopWorker();
    // As if the release before had published it: a worker makes an SQL view of an older form anew when it starts.
    const before = await liveVersion(world.pool, world.view);
    await setSqlSurface(world.pool, world.view, before!.version, 1);
    await world.startWorker();
    await eventually(async () => (await liveVersion(world.pool, world.view))?.sqlSurface === SQL_SURFACE);
    expect(before?.sqlSurface).toBe(SQL_SURFACE);
    const failed = await harness.reach(lifecycle(), 'failed');
    expect(failed.error?.code).toBe('definition-changed');
    expect(failed.accepts).toContain('rebackfill');
    expect(await world.served()).toEqual(expected);
    await world.send(world.make(100));
    await send('rebackfill');
    const waiting = await harness.until(lifecycle(), ({ candidate }) => candidate?.isCaughtUp === true);
    expect(waiting).toMatchObject({ version: 2, candidate: { version: 3, error: null } });
    expect((await liveVersion(world.pool, world.view))?.version).toBe(2);
    const approved = await sendVersionCommand(harness.client, world.view, 'approve', { version: 3 });
    expect(approved).toMatchObject({ version: 3, previous: { version: 2 } });
    const streaming = await harness.until(lifecycle(), ({ version, phase }) => version === 3 && phase === 'streaming');
    expect(streaming.error).toBeNull();
    await servedInFull();
  });

  it('exports a training set', async () => {
    const times = [0, 1_000, 2_499].map((index) => world.clicks[index]);
    writeFileSync(
      join(world.folder, 'spine.csv'),
      `person,event_timestamp\n${times.map((click) => `${click?.person},${click?.at}\n`).join('')}`,
    );
    const input = { service: `${world.view}_service`, spine: 'spine.csv', out: 'train.parquet' };
    const handle = await harness.client.workflow.start('exportTrainingSet', {
      workflowId: `export:${world.view}`,
      taskQueue: harness.taskQueue,
      args: [input],
    });
    const summary = (await handle.result()) as ExportSummary;
    expect(summary).toMatchObject({ rows: 3, out: join(world.folder, 'train.parquet') });
    expect(summary.features.map(({ column }) => column)).toContain(`${world.view}__total`);
    expect(readFileSync(summary.out).subarray(0, 4).toString()).toBe('PAR1');
    const refused = async (name: string, change: object): Promise<WorkflowFailedError> => {
      const again = await harness.client.workflow.start('exportTrainingSet', {
        workflowId: `export:${world.view}:${name}`,
        taskQueue: harness.taskQueue,
        args: [{ ...input, ...change }],
      });
      return (await again.result().catch((caught: unknown) => caught)) as WorkflowFailedError;
    };
    const unknown = await refused('unknown', { service: 'nobody' });
    expect(String(unknown.cause?.cause)).toContain('no feature service "nobody"');
    const noon = await refused('noon', { timeAt: 'noon' });
    expect(String(noon.cause)).toContain('"timeAt" must be "start" or "end", received "noon"');
    for (const [change, message] of [
      [{ entitiesOf: world.view }, '"spine" and "entitiesOf" exclude each other'],
      [{ every: '1d' }, '"every" belongs to "entitiesOf" or "entities"'],
      [{ spine: undefined }, '"spine" must be a non-empty string, received nothing'],
      [{ spine: undefined, entities: 'e.csv', every: '1d' }, '"entities" needs "from", "to"'],
      [{ out: undefined }, '"out" must be a non-empty string'],
      [{ split: 80 }, '"split" must be a number above 0 and below 1, received 80'],
      [{ maxRows: 1.5 }, '"maxRows" must be a whole number of at least 1'],
    ] as const)
      expect(String((await refused(JSON.stringify(change), change)).cause)).toContain(message);
    const guessed = await refused('guessed', { onError: 'guess' });
    expect(String(guessed.cause)).toContain('"onError" must be "fail" or "null", received "guess"');
  });

  it('serves on, paused, when its workflow is cancelled; is retired, and started anew from nothing', async () => {
    const served = await world.served();
    const { runId } = await lifecycle().describe();
    await lifecycle().cancel();
    await eventually(async () => (await lifecycle().describe()).runId !== runId);
    await harness.reach(lifecycle(), 'paused');
    expect(await world.served()).toEqual(served);
    await send('retire');
    await lifecycle().result();
    await expect(world.served()).rejects.toMatchObject({ code: 'view-not-published' });
    await start();
    await harness.reach(lifecycle(), 'published');
    expect(await world.served()).toEqual(world.expected());
  });

  it('takes over what is served when its workflow was terminated, and streams on from there', async () => {
    const [before] = await versions(world.pool, world.view);
    await lifecycle().terminate('test');
    await start();
    const status = await harness.reach(lifecycle(), 'published');
    expect(status.version).toBe(before?.version);
    expect(status.notice).toContain('taken over');
    await send('promote');
    await world.send(world.make(100));
    await servedInFull();
  });

  it('starts its backfill over when the worker is killed in it, and leaves nothing behind', async () => {
    await send('pause');
    await harness.reach(lifecycle(), 'paused');
    await send('resume');
    await harness.reach(lifecycle(), 'streaming');
    const served = await world.served();
    // A backfill writes the history's ids: whoever holds that table holds it up just before its end.
    await withTransaction(world.pool, async (client) => {
      await client.query('LOCK TABLE millrace_catalog.dedupe_ids IN EXCLUSIVE MODE');
      await send('rebackfill');
      await eventually(async () => {
        const { rows } = await world.pool.query(
          "SELECT 1 FROM pg_locks WHERE relation = 'millrace_catalog.dedupe_ids'::regclass AND NOT granted",
        );
        return rows.length > 0;
      });
      expect(await world.served()).toEqual(served);
      await kill9();
    });
    await harness.until(lifecycle(), ({ phase }) => phase === 'streaming');
    const all = await versions(world.pool, world.view);
    const built = all.filter(({ status }) => status === 'live' || status === 'superseded' || status === 'discarded');
    expect(all.filter(({ status }) => status === 'building' || status === 'built')).toEqual([]);
    expect(built.length).toBeGreaterThan(0);
    await servedInFull();
  });

  it('waits in its failure for a person, whose retry it takes', async () => {
    world.define('', 'elsewhere/*.jsonl');
    await world.stopWorker();
    await world.startWorker();
    await harness.reach(lifecycle(), 'failed');
    await send('rebackfill');
    const failed = await harness.until(lifecycle(), ({ error }) => error?.code === 'history-not-found');
    expect(failed.error?.remedy).not.toBe('');
    world.define('');
    await world.stopWorker();
    await world.startWorker();
    await send('retry');
    const { candidate } = await harness.until(lifecycle(), (status) => status.candidate?.isCaughtUp === true);
    await sendVersionCommand(harness.client, world.view, 'approve', { version: candidate!.version });
    await harness.reach(lifecycle(), 'streaming');
    await servedInFull();
  });

  it('is retired by command', async () => {
    await send('retire');
    expect((await lifecycle().result()) as LifecycleStatus).toMatchObject({ phase: 'retired' });
    await expect(world.served()).rejects.toMatchObject({ code: 'view-not-published' });
    expect(runningActivities(await lifecycle().describe())).toEqual([]);
    const news = { applyNumber: 1, fingerprint: 'f' };
    expect(await tellApplied(harness.client, world.view, news)).toBe(false);
  });
});
