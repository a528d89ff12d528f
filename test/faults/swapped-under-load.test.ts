import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import {
  queryStatus,
  sendCommand,
  sendVersionCommand,
  startLifecycle,
  tellApplied,
} from '../../cli/lifecycle-client.ts';
import { WorkerProcess } from '../../cli/worker-process.ts';
import { applyDefinitions } from '../../engine/bundles/apply-definitions.ts';
import type { Definitions } from '../../engine/define/compiled-view.ts';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import { isMillraceError } from '../../engine/errors/millrace-error.ts';
import { installationNames } from '../../engine/installation/installation-names.ts';
import { listVersions } from '../../engine/online/list-versions.ts';
import { createOnlineStore } from '../../engine/online/online-store.ts';
import { streamOffsets } from '../../engine/postgres/stream-offsets.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { seededRandom } from '../../soak/random.ts';
import type { AuditResultSummary } from '../../workflows/audit-parity/contract.ts';
import type { LifecycleStatus, VersionCommand } from '../../workflows/feature-lifecycle/contract.ts';
import { ClicksWorld } from '../lifecycle/clicks-world.ts';
import { eventually, LifecycleHarness } from '../lifecycle/lifecycle-harness.ts';

const SECONDS = Number(process.env['MILLRACE_SWAP_SECONDS'] ?? 40);
const SEED = Number(process.env['MILLRACE_SWAP_SEED'] ?? Math.trunc(Math.random() * 0x7fffffff));
const random = seededRandom(SEED);
const COMMON = ['n', 'total', 'n_1d', 'last_amount'];
/** Of the folder's definition, in its order. */
const FEATURES = { a: COMMON, b: [...COMMON, 'most'] } as const;
type Folder = keyof typeof FEATURES;
/** A pace, and no wait: 1,000 records and 200 reads a second, at most. */
const RECORDS = { count: 100, everyMs: 100 };
const READ_EVERY_MS = 5;

let harness: LifecycleHarness;
let world: ClicksWorld;
const definitions = new Map<Folder, Definitions>();
const workers = new Map<Folder, WorkerProcess>();
const folderOf = (name: Folder): string => join(world.folder, `features-${name}`);
const other = (name: Folder): Folder => (name === 'a' ? 'b' : 'a');
const fingerprintOf = (name: Folder): string => definitions.get(name)!.views.get(world.view)!.fingerprint;
const lifecycle = (): WorkflowHandle => harness.client.workflow.getHandle(`feature:${world.view}`);

beforeAll(async () => {
  console.log(`MILLRACE_SWAP_SEED=${SEED}`);
  harness = await LifecycleHarness.open(inject('stack'));
  world = await ClicksWorld.open(inject('stack'), harness.taskQueue);
  world.writeHistory(world.make(2_000));
  await world.send(world.make(500));
  for (const [name, extra] of [
    ['a', ''],
    ['b', ", most: f.max('amount')"],
  ] as const) {
    mkdirSync(folderOf(name));
    writeFileSync(join(folderOf(name), 'index.ts'), world.definition(extra));
    definitions.set(name, await loadDefinitions(folderOf(name)));
    await start(name);
  }
});
afterAll(async () => {
  for (const worker of workers.values()) await worker.stop();
  await world?.close();
  await harness?.close();
});

async function start(name: Folder): Promise<void> {
  const variables = { ...world.variables, MILLRACE_FEATURES: folderOf(name) };
  workers.set(name, await WorkerProcess.start({ variables, logFile: null, onLine: () => undefined }));
}

/** Replaces a worker: it is told to go, or is killed and started again by who watches it. */
async function replace(name: Folder): Promise<'stopped' | 'killed'> {
  const worker = workers.get(name)!;
  if (random.chance(0.3)) {
    const { pid } = worker;
    process.kill(pid!, 'SIGKILL');
    await eventually(() => worker.pid !== pid);
    return 'killed';
  }
  await worker.stop();
  await start(name);
  return 'stopped';
}

/** Makes a folder what the view is to be, and tells its lifecycle, where it has one. */
async function apply(name: Folder, approval?: 'auto'): Promise<void> {
  const outcome = await applyDefinitions({ pool: world.pool, definitions: definitions.get(name)!, actor: 'test' });
  await tellApplied(harness.client, world.view, {
    applyNumber: outcome.applyNumber!,
    fingerprint: fingerprintOf(name),
    approval,
  });
}

/** Of commands that were refused, as they should be, while the stream of a worker that was killed stood still. */
const BEHIND: ReadonlySet<string> = new Set(['candidate-behind', 'previous-behind']);

/** The same command again where nobody answered in time, or it is to wait, as its error says; it is done once. */
async function command(name: VersionCommand, version: number): Promise<void> {
  for (;;) {
    try {
      await sendVersionCommand(harness.client, world.view, name, { version });
      return;
    } catch (error) {
      if (!isMillraceError(error) || !(error.retryable || BEHIND.has(error.code))) throw error;
    }
  }
}

/** Waits for a status; while no worker answers, or the next one starts, there is none. */
async function until(condition: (status: LifecycleStatus) => boolean): Promise<LifecycleStatus> {
  return await eventually(async () => {
    const status = await queryStatus(harness.client, world.view);
    if (status === null) return null;
    if (status.error !== null) throw new Error(`failed: ${JSON.stringify(status.error)}`);
    return condition(status) && status;
  });
}

/** Records and reads without end; `stop` gives how many, and which features each version had. */
function underLoad(): { stop(): Promise<{ records: number; reads: number; seen: Map<number, string> }> } {
  const run = { goes: true, reads: 0 };
  const before = world.clicks.length;
  const seen = new Map<number, string>();
  const store = createOnlineStore({ pool: world.pool, clock: systemClock });
  const repeat = async (everyMs: number, act: () => Promise<void>): Promise<void> => {
    while (run.goes) await Promise.all([act(), delay(everyMs)]);
  };
  const read = async (): Promise<void> => {
    const found = await store.get(world.view, [['u0'], ['u1'], ['u2']]);
    const [{ version, features }] = found as [(typeof found)[0]];
    const names = JSON.stringify(features.map(({ name }) => name));
    for (const one of found) {
      expect([one.version, one.errors]).toEqual([version, null]);
      expect(one.values).toHaveLength(features.length);
      expect(one.values).not.toContain(null);
    }
    expect(seen.get(version) ?? names).toBe(names);
    seen.set(version, names);
    run.reads++;
  };
  const sql = async (): Promise<void> => {
    const text = `SELECT n FROM millrace.${world.view} WHERE person = 'u0'`;
    const { rows } = await world.pool.query<{ n: number }>(text);
    expect(rows).toHaveLength(1);
    expect(rows[0]!.n).toBeGreaterThan(0);
    run.reads++;
  };
  const ended = Promise.all([
    repeat(RECORDS.everyMs, () => world.send(world.make(RECORDS.count))),
    repeat(READ_EVERY_MS, read),
    repeat(READ_EVERY_MS * 10, sql),
  ]);
  // One that fails is told when it is waited for, and not before.
  ended.catch(() => undefined);
  return {
    async stop() {
      run.goes = false;
      await ended;
      return { records: world.clicks.length - before, reads: run.reads, seen };
    },
  };
}

async function audit(): Promise<AuditResultSummary> {
  return (await harness.client.workflow.execute('auditParity', {
    workflowId: installationNames().auditId(world.view, randomUUID()),
    taskQueue: harness.taskQueue,
    args: [{ view: world.view }],
  })) as AuditResultSummary;
}

/** What is served is what all clicks come to, and its audit says so. */
async function expectServed(version: number): Promise<void> {
  const expected = JSON.stringify(world.expected());
  await eventually(async () => JSON.stringify(await world.served()) === expected);
  expect(await audit()).toMatchObject({ verdict: 'equal', version, cellsDiffering: 0 });
}

it('two definitions take each other\u2019s place on one queue, and so do their workers, under load', {
  timeout: SECONDS * 1000 + 400_000,
}, async () => {
  await apply('a');
  await startLifecycle(harness.client, world.view, { sliceSeconds: 5 }, harness.taskQueue);
  await sendCommand(harness.client, world.view, 'promote');
  await harness.reach(lifecycle(), 'streaming');

  const load = underLoad();
  const untilMs = Date.now() + SECONDS * 1000;
  const figures = { swaps: 0, rollbacks: 0, stopped: 0, killed: 0 };
  let applied: Folder = 'a';
  while (figures.swaps < 2 || Date.now() < untilMs) {
    applied = other(applied);
    const isAuto = random.chance(0.5);
    await apply(applied, isAuto ? 'auto' : undefined);
    figures[await replace(random.pick(['a', 'b']))]++;
    const fingerprint = fingerprintOf(applied);
    const { version, candidate } = await until(
      (status) => status.fingerprint === fingerprint || (!isAuto && status.candidate?.isCaughtUp === true),
    );
    const next = isAuto ? version! : candidate!.version;
    if (!isAuto) {
      const flip = command('approve', next);
      figures[await replace(random.pick(['a', 'b']))]++;
      await flip;
    }
    if (random.chance(0.3)) {
      const { previous } = await until(() => true);
      await command('rollback', previous!.version);
      await command('approve', next);
      figures.rollbacks++;
    }
    expect(await until(() => true)).toMatchObject({ version: next, fingerprint, error: null });
    figures.swaps++;
  }
  const { records, reads, seen } = await load.stop();
  console.log(JSON.stringify({ seconds: SECONDS, ...figures, records, reads, versions: seen.size }));

  const listed = await listVersions(world.pool, world.view);
  for (const { version, fingerprint } of listed) {
    const folder = fingerprint === fingerprintOf('a') ? 'a' : 'b';
    expect(fingerprint).toBe(fingerprintOf(folder));
    if (seen.has(version)) expect(seen.get(version)).toBe(JSON.stringify(FEATURES[folder]));
  }
  const live = listed.find(({ role }) => role === 'live')!;
  const previous = listed.find(({ role }) => role === 'previous')!;
  expect(live.fingerprint).toBe(fingerprintOf(applied));
  expect(previous.fingerprint).toBe(fingerprintOf(other(applied)));
  expect(seen.size).toBeGreaterThan(1);
  await expectServed(live.version);
  await command('rollback', previous.version);
  await expectServed(previous.version);
  // Nothing is left over of the versions between.
  await eventually(async () => {
    const { rows } = await world.pool.query("SELECT FROM pg_tables WHERE schemaname = 'millrace_state'");
    return rows.length === 2;
  });
  const sent = world.clicks.length - 2_000;
  for (const { version } of [live, previous])
    await eventually(async () => {
      const offsets = await streamOffsets(world.pool, world.view, version);
      return offsets.reduce((sum, { nextOffset }) => sum + nextOffset, 0) === sent;
    });
  await sendCommand(harness.client, world.view, 'retire');
  await lifecycle().result();
});
