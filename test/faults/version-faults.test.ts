import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, inject, it, type TestContext } from 'vitest';
import {
  queryStatus,
  sendCommand,
  sendVersionCommand,
  startLifecycle,
  tellApplied,
} from '../../cli/lifecycle-client.ts';
import { applyDefinitions } from '../../engine/bundles/apply-definitions.ts';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import { installationNames } from '../../engine/installation/installation-names.ts';
import { listVersions, type VersionRole } from '../../engine/online/list-versions.ts';
import { streamOffsets } from '../../engine/postgres/stream-offsets.ts';
import { versions } from '../../engine/postgres/view-versions.ts';
import type { AuditResultSummary } from '../../workflows/audit-parity/contract.ts';
import type { LifecycleStatus } from '../../workflows/feature-lifecycle/contract.ts';
import { ClicksWorld } from '../lifecycle/clicks-world.ts';
import { eventually, LifecycleHarness } from '../lifecycle/lifecycle-harness.ts';
import { CommitGate, type HeldAt, type HeldWrite } from './commit-gate.ts';

/** A flip is looked at again 30 s after its worker died, a drop after two minutes. */
const TIMEOUT_MS = 600_000;
const BATCH = 300;

const flipTo = (status: string): HeldWrite => ({
  table: 'view_version',
  on: 'UPDATE',
  when: `NEW.status = 'live' AND OLD.status = '${status}'`,
});
const BUILD_BEGINS: HeldWrite = { table: 'view_version', on: 'INSERT', when: "NEW.status = 'building'" };
const BUILD_ENDS: HeldWrite = { table: 'view_version', on: 'UPDATE', when: "NEW.status = 'built'" };
const CATCHES_UP: HeldWrite = {
  table: 'stream_offset',
  on: 'UPDATE',
  when: 'NEW.version = 2 AND NEW.next_offset > OLD.next_offset',
};
const DROP: HeldWrite = { table: 'view_version', on: 'UPDATE', when: "NEW.status = 'discarded'" };

let harness: LifecycleHarness;
const scenes = new Set<Scene>();
beforeAll(async () => {
  harness = await LifecycleHarness.open(inject('stack'));
});
afterAll(async () => {
  // Of a test that ran into its time, too.
  for (const scene of scenes) await scene.world.close();
  await harness?.close();
});

/** A view that streams, with a worker process that is killed, and another that takes its place. */
class Scene {
  readonly world: ClicksWorld;
  /** Records on the topic. */
  sent = 0;

  private constructor(world: ClicksWorld) {
    this.world = world;
  }

  static async open(keepPreviousHours: number, onTestFailed: TestContext['onTestFailed']): Promise<Scene> {
    const scene = new Scene(await ClicksWorld.open(inject('stack'), `test-${randomUUID().slice(0, 8)}`));
    scenes.add(scene);
    onTestFailed(() => scene.tell());
    const { world } = scene;
    world.writeHistory(world.make(1_000));
    await scene.send();
    await world.startWorker();
    await scene.apply('');
    await startLifecycle(harness.client, world.view, { sliceSeconds: 5, keepPreviousHours }, world.taskQueue);
    await sendCommand(harness.client, world.view, 'promote');
    await harness.reach(scene.lifecycle, 'streaming');
    return scene;
  }

  get lifecycle(): WorkflowHandle {
    return harness.client.workflow.getHandle(`feature:${this.world.view}`);
  }

  async close(): Promise<void> {
    scenes.delete(this);
    await this.world.close();
  }

  /** Where all of it stands, for whoever reads of a failure. */
  async tell(): Promise<void> {
    const status = await queryStatus(harness.client, this.world.view).catch(String);
    const { raw } = await this.lifecycle.describe();
    const { workerLines } = this.world;
    console.log(JSON.stringify({ status, pending: raw.pendingActivities, workerLines: workerLines.slice(-50) }));
  }

  async send(): Promise<void> {
    await this.world.send(this.world.make(BATCH));
    this.sent += BATCH;
  }

  /** Makes a definition what the view is to be, and tells its lifecycle. */
  async apply(extra: string, approval?: 'auto'): Promise<void> {
    const { world } = this;
    world.define(extra);
    const definitions = await loadDefinitions(join(world.folder, 'features'));
    const { applyNumber, views } = await applyDefinitions({ pool: world.pool, definitions, actor: 'ana' });
    const news = { applyNumber: applyNumber!, fingerprint: views[0]!.fingerprint, approval };
    await tellApplied(harness.client, world.view, news);
  }

  /** Waits for a status; while no worker answers, or the next one starts, there is none. */
  async until(condition: (status: LifecycleStatus) => boolean): Promise<LifecycleStatus> {
    return await eventually(async () => {
      const status = await queryStatus(harness.client, this.world.view);
      if (status === null) return null;
      if (status.error !== null) throw new Error(`failed: ${JSON.stringify(status.error)}`);
      return condition(status) && status;
    });
  }

  /** Kills the worker where `act` has made it write so, and tells what the catalog says then, before another goes on. */
  async killedAt(write: HeldWrite, at: HeldAt, act: () => unknown): Promise<string[]> {
    const { world } = this;
    const gate = await CommitGate.close(world.pool, write, at);
    await act();
    await gate.reached();
    const pid = world.workerPid;
    process.kill(pid, 'SIGKILL');
    await eventually(() => world.workerPid !== pid);
    await gate.open();
    return (await versions(world.pool, world.view)).toReversed().map(({ status }) => status);
  }
}

/** All that was sent is served, each once, by one version, whose audit is equal; the others are what they should be. */
async function expectWhole(scene: Scene, ...roles: VersionRole[]): Promise<void> {
  const { world } = scene;
  await scene.send();
  const expected = JSON.stringify(world.expected());
  await eventually(async () => JSON.stringify(await world.served()) === expected);
  const listed = (await listVersions(world.pool, world.view)).toReversed();
  expect(listed.map(({ role }) => role)).toEqual(roles);
  const kept = listed.filter(({ role }) => role !== 'discarded');
  const { rows } = await world.pool.query("SELECT FROM pg_tables WHERE schemaname = 'millrace_state'");
  expect(rows).toHaveLength(kept.length);
  for (const { version } of kept)
    await eventually(async () => {
      const offsets = await streamOffsets(world.pool, world.view, version);
      return offsets.reduce((sum, { nextOffset }) => sum + nextOffset, 0) === scene.sent;
    });
  const audit = (await harness.client.workflow.execute('auditParity', {
    workflowId: installationNames().auditId(world.view, randomUUID()),
    taskQueue: world.taskQueue,
    args: [{ view: world.view }],
  })) as AuditResultSummary;
  const live = listed.find(({ role }) => role === 'live');
  expect(audit).toMatchObject({ verdict: 'equal', version: live?.version });
}

describe.concurrent.each<HeldAt>(['work', 'commit'])(
  'a worker that is killed, its transaction held at its %s',
  (at) => {
    it('while a version is built, catches up, is approved and rolled back', { timeout: TIMEOUT_MS }, async ({
      onTestFailed,
    }) => {
      const scene = await Scene.open(1, onTestFailed);
      const { world, lifecycle } = scene;
      const done = at === 'commit';
      try {
        const begun = await scene.killedAt(BUILD_BEGINS, at, () => scene.apply(", most: f.max('amount')"));
        expect(begun).toEqual(done ? ['live', 'building'] : ['live']);
        const built = await scene.killedAt(BUILD_ENDS, at, () => undefined);
        expect(built).toEqual(['live', done ? 'built' : 'building']);
        await scene.killedAt(CATCHES_UP, at, async () => {
          // What is sent before is part of what is built.
          await eventually(async () => (await versions(world.pool, world.view))[0]?.status === 'built');
          await scene.send();
        });
        const waiting = await scene.until(({ candidate }) => candidate?.isCaughtUp === true);
        expect(waiting).toMatchObject({ version: 1, candidate: { version: 2 } });
        await expectWhole(scene, 'live', 'candidate');

        const command = (name: 'approve' | 'rollback', version: number): Promise<LifecycleStatus> =>
          sendVersionCommand(harness.client, world.view, name, { version });
        const answers: Promise<LifecycleStatus>[] = [];
        const approved = await scene.killedAt(flipTo('built'), at, () => answers.push(command('approve', 2)));
        expect(approved).toEqual(done ? ['superseded', 'live'] : ['live', 'built']);
        expect(await answers.at(-1)).toMatchObject({ version: 2, previous: { version: 1, isRolledBack: false } });
        await expectWhole(scene, 'previous', 'live');

        const back = await scene.killedAt(flipTo('superseded'), at, () => answers.push(command('rollback', 1)));
        expect(back).toEqual(done ? ['live', 'superseded'] : ['superseded', 'live']);
        expect(await answers.at(-1)).toMatchObject({ version: 1, previous: { version: 2, isRolledBack: true } });
        await expectWhole(scene, 'live', 'previous');

        expect(await command('approve', 2)).toMatchObject({ version: 2, previous: { version: 1 } });
        await expectWhole(scene, 'previous', 'live');
        await sendCommand(harness.client, world.view, 'retire');
        await lifecycle.result();
      } finally {
        await scene.close();
      }
    });

    it('while what was kept is dropped after its time', { timeout: TIMEOUT_MS }, async ({ onTestFailed }) => {
      const scene = await Scene.open(3 / 3600, onTestFailed);
      const { world, lifecycle } = scene;
      try {
        // Approved by itself, and gone by itself.
        const dropped = await scene.killedAt(DROP, at, () => scene.apply(", most: f.max('amount')", 'auto'));
        expect(dropped).toEqual([at === 'commit' ? 'discarded' : 'superseded', 'live']);
        expect((await scene.until(({ version }) => version === 2)).previous).toBeNull();
        const late = sendVersionCommand(harness.client, world.view, 'rollback', { version: 1 });
        await expect(late).rejects.toMatchObject({ code: 'no-previous' });
        await eventually(async () => (await versions(world.pool, world.view)).at(-1)?.status === 'discarded');
        await expectWhole(scene, 'discarded', 'live');
        await sendCommand(harness.client, world.view, 'retire');
        await lifecycle.result();
      } finally {
        await scene.close();
      }
    });
  },
);
