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
import { createOnlineStore } from '../../engine/online/online-store.ts';
import { listVersions } from '../../engine/online/list-versions.ts';
import { servedTimes } from '../../engine/postgres/served-times.ts';
import { viewVersion } from '../../engine/postgres/view-versions.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { ClicksWorld } from './clicks-world.ts';
import { eventually, LifecycleHarness } from './lifecycle-harness.ts';

const KEPT_SECONDS = 12;
const COMMON = ['n', 'total', 'n_1d', 'last_amount'];

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
  spillDir = await mkdtemp(join(tmpdir(), 'millrace-candidate-'));
  world.writeHistory(world.make(2_000));
  await world.send(world.make(500));
  const folder = join(world.folder, 'features');
  first = await loadDefinitions(folder);
  world.define(", most: f.max('amount')");
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

/** Clicks and reads without end, by store and by SQL; `stop` gives what readers saw. */
function underLoad(): { stop(): Promise<{ versions: number[]; reads: number }> } {
  const run = { goes: true, reads: 0 };
  const versions = new Set<number>();
  const store = createOnlineStore({ pool: world.pool, clock: systemClock });
  const clicks = async (): Promise<void> => {
    while (run.goes) await world.send(world.make(100));
  };
  const reads = async (): Promise<void> => {
    while (run.goes) {
      const found = await store.get(world.view, [['u0'], ['u1'], ['u2']]);
      const [{ version, features }] = found as [(typeof found)[0]];
      // All of one version, with that version's features and a value of each.
      expect(new Set(found.map((read) => read.version))).toEqual(new Set([version]));
      expect(features.map(({ name }) => name)).toEqual(version === 1 ? COMMON : [...COMMON, 'most']);
      expect(found.every(({ values, errors }) => values.every((value) => value !== null) && errors === null)).toBe(
        true,
      );
      versions.add(version);
      run.reads++;
      await new Promise(setImmediate);
    }
  };
  const sql = async (): Promise<void> => {
    while (run.goes) {
      const { rows } = await world.pool.query<Record<string, unknown>>(
        `SELECT * FROM millrace.${world.view} WHERE person = 'u0'`,
      );
      expect(rows).toHaveLength(1);
      expect(rows[0]!['n']).toBeGreaterThan(0);
      run.reads++;
      await new Promise(setImmediate);
    }
  };
  const ended = Promise.all([clicks(), reads(), reads(), sql()]);
  // One that fails is told when it is waited for, and not before.
  ended.catch(() => undefined);
  return {
    async stop() {
      run.goes = false;
      await ended;
      return { versions: [...versions].toSorted(), reads: run.reads };
    },
  };
}

it('is changed under load: built aside, approved, rolled back, approved again; the old version goes after its time', {
  timeout: 240_000,
}, async () => {
  const options = { sliceSeconds: 5, keepPreviousHours: KEPT_SECONDS / 3600 };
  await startLifecycle(harness.client, world.view, options, harness.taskQueue);
  await harness.reach(lifecycle(), 'published');
  await sendCommand(harness.client, world.view, 'promote');
  await harness.reach(lifecycle(), 'streaming');
  const load = underLoad();

  desired = second;
  const fingerprint = second.views.get(world.view)!.fingerprint;
  expect(await tellApplied(harness.client, world.view, { applyNumber: 1, fingerprint })).toBe(true);
  const waiting = await harness.until(lifecycle(), ({ candidate }) => candidate?.isCaughtUp === true);
  expect(waiting).toMatchObject({ version: 1, candidate: { version: 2, fingerprint } });
  expect(await listVersions(world.pool, world.view)).toMatchObject([
    { version: 2, role: 'candidate', served: [] },
    { version: 1, role: 'live' },
  ]);

  const { version: approved } = await sendVersionCommand(harness.client, world.view, 'approve', { version: 2 });
  expect(approved).toBe(2);
  const back = await sendVersionCommand(harness.client, world.view, 'rollback', { version: 1 });
  expect(back).toMatchObject({ version: 1, previous: { version: 2 } });
  const seen = await load.stop();
  expect(seen.versions).toEqual([1, 2]);
  // What was kept had streamed on, and so does what was rolled back from.
  await servedInFull();
  const again = await sendVersionCommand(harness.client, world.view, 'approve', { version: 2 });
  expect(again).toMatchObject({ version: 2, previous: { version: 1 } });
  await servedInFull();
  expect(await listVersions(world.pool, world.view)).toMatchObject([
    { version: 2, role: 'live' },
    { version: 1, role: 'previous', keptUntilUs: expect.any(Number) as number },
  ]);

  await harness.until(lifecycle(), ({ previous }) => previous === null);
  await eventually(async () => (await viewVersion(world.pool, world.view, 1))?.status === 'discarded');
  const tables = await world.pool.query("SELECT FROM pg_tables WHERE schemaname = 'millrace_state'");
  expect(tables.rows).toHaveLength(1);
  const [one, two] = await Promise.all([1, 2].map((version) => viewVersion(world.pool, world.view, version)));
  expect([servedTimes(one!).length, servedTimes(two!).length]).toEqual([2, 2]);
  const late = sendVersionCommand(harness.client, world.view, 'rollback', { version: 1 });
  await expect(late).rejects.toMatchObject({ code: 'no-previous' });
  await world.send(world.make(100));
  await servedInFull();
  expect(await harness.reach(lifecycle(), 'streaming')).toMatchObject({ version: 2, error: null });
  await sendCommand(harness.client, world.view, 'retire');
  await lifecycle().result();
});
