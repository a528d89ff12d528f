import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { ActivityDeps } from '../../activities/activity-deps.ts';
import { createActivities } from '../../activities/create-activities.ts';
import { sendCommand, sendVersionCommand, startLifecycle, tellApplied } from '../../cli/lifecycle-client.ts';
import type { Definitions } from '../../engine/define/compiled-view.ts';
import { codeOf } from '../../engine/define/known-code.ts';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import { createKafkaLogReader } from '../../engine/kafka/kafkajs-log-reader.ts';
import { processMemory } from '../../engine/memory/process-memory.ts';
import { listVersions } from '../../engine/online/list-versions.ts';
import { viewVersion } from '../../engine/postgres/view-versions.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { ClicksWorld } from './clicks-world.ts';
import { eventually, LifecycleHarness } from './lifecycle-harness.ts';

let harness: LifecycleHarness;
let world: ClicksWorld;
let spillDir: string;
/** What the view is to be. */
let desired: Definitions;
let first: Definitions;
let second: Definitions;

beforeAll(async () => {
  harness = await LifecycleHarness.open(inject('stack'));
  world = await ClicksWorld.open(inject('stack'), harness.taskQueue);
  spillDir = await mkdtemp(join(tmpdir(), 'millrace-taken-'));
  world.writeHistory(world.make(2_000));
  await world.send(world.make(500));
  const folder = join(world.folder, 'features');
  first = await loadDefinitions(folder);
  world.define(", n_6h: f.count().over('6h', { hop: '1h' })");
  second = await loadDefinitions(folder);
  desired = first;
  const kafka = { brokers: [...inject('stack').kafkaBrokers], clientId: 'test', clock: systemClock };
  const reader = createKafkaLogReader(kafka);
  const deps: ActivityDeps = {
    get definitions() {
      return desired;
    },
    // Both, as a store of bundles has them.
    code: codeOf([...first.views.values(), ...second.views.values()]),
    pool: world.pool,
    reader,
    topicReader: reader,
    archiveDir: join(world.folder, 'archive'),
    servedTopic: world.servedTopic,
    clock: systemClock,
    spillDir,
    roots: null,
    memory: processMemory(),
    identity: 'test',
  };
  await harness.startWorker(createActivities(deps));
});
afterAll(async () => {
  await harness?.close();
  await world?.close();
  rmSync(spillDir, { recursive: true, force: true });
});

const lifecycle = (): WorkflowHandle => harness.client.workflow.getHandle(`feature:${world.view}`);

/** Waits until what is served is what all clicks come to. */
async function servedInFull(): Promise<void> {
  const expected = JSON.stringify(world.expected());
  await eventually(async () => JSON.stringify(await world.served()) === expected);
}

it('a feature over tiles that are there is made of the states of the version served, told so, and approved; a rebackfill reads the log', {
  timeout: 240_000,
}, async () => {
  await startLifecycle(harness.client, world.view, { sliceSeconds: 5 }, harness.taskQueue);
  await harness.reach(lifecycle(), 'published');
  await sendCommand(harness.client, world.view, 'promote');
  await harness.reach(lifecycle(), 'streaming');
  await servedInFull();
  await world.send(world.make(300));

  desired = second;
  const fingerprint = second.views.get(world.view)!.fingerprint;
  expect(await tellApplied(harness.client, world.view, { applyNumber: 1, fingerprint })).toBe(true);
  const waiting = await harness.until(lifecycle(), ({ candidate }) => candidate?.isCaughtUp === true);
  expect(waiting).toMatchObject({ version: 1, candidate: { version: 2, fingerprint, madeFrom: 1 } });
  expect(await listVersions(world.pool, world.view)).toMatchObject([
    { version: 2, role: 'candidate', madeFrom: 1 },
    { version: 1, role: 'live', madeFrom: null },
  ]);
  await sendVersionCommand(harness.client, world.view, 'approve', { version: 2 });
  await world.send(world.make(300));
  await servedInFull();

  await sendCommand(harness.client, world.view, 'rebackfill');
  await harness.until(lifecycle(), ({ version }) => version === 3);
  expect((await viewVersion(world.pool, world.view, 3))?.madeFrom).toBeNull();
  await servedInFull();
  await sendCommand(harness.client, world.view, 'retire');
  await lifecycle().result();
});
