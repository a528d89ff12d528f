import { installationNames } from '../../engine/installation/installation-names.ts';
import { randomUUID } from 'node:crypto';
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { startArchive } from '../../cli/archive-client.ts';
import { sendCommand, startLifecycle } from '../../cli/lifecycle-client.ts';
import { archiveStatus } from '../../engine/archive/archive-status.ts';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import { latestAudits } from '../../engine/postgres/parity-audits.ts';
import { stateTable } from '../../engine/postgres/state-table.ts';
import { liveVersion } from '../../engine/postgres/live-version.ts';
import { type ArchiveStatus, archiveStatusQuery, stopArchiveUpdate } from '../../workflows/archive-source/contract.ts';
import { type AuditResultSummary } from '../../workflows/audit-parity/contract.ts';
import type { Command, LifecycleStatus } from '../../workflows/feature-lifecycle/contract.ts';
import { ClicksWorld } from './clicks-world.ts';
import { eventually, LifecycleHarness } from './lifecycle-harness.ts';

const TIMEOUT_MS = 120_000;

let harness: LifecycleHarness;
let world: ClicksWorld;
beforeAll(async () => {
  harness = await LifecycleHarness.open(inject('stack'));
  world = await ClicksWorld.open(inject('stack'), harness.taskQueue);
  world.writeHistory(world.make(1_000));
  await world.send(world.make(300));
  await world.startWorker();
});
afterAll(async () => {
  await world?.close();
  await harness?.close();
});

const lifecycle = (): WorkflowHandle => harness.client.workflow.getHandle(`feature:${world.view}`);
const archive = (): WorkflowHandle => harness.client.workflow.getHandle(`archive:${world.source}`);
const send = (command: Command): Promise<LifecycleStatus> => sendCommand(harness.client, world.view, command);

async function audit(): Promise<AuditResultSummary> {
  return (await harness.client.workflow.execute('auditParity', {
    workflowId: installationNames().auditId(world.view, randomUUID()),
    taskQueue: harness.taskQueue,
    args: [{ view: world.view }],
  })) as AuditResultSummary;
}

async function parityIs(value: string): Promise<void> {
  await eventually(
    async () => JSON.stringify((await lifecycle().describe()).searchAttributes['FeatureParity']) === `["${value}"]`,
  );
}

/** Gives u1 the state of u2, checksum and all: what a wrong write would leave. */
async function plant(): Promise<void> {
  const table = stateTable((await liveVersion(world.pool, world.view))?.stateTable ?? '');
  const { rowCount } = await world.pool.query(
    `UPDATE ${table} SET (state, state_crc) = (SELECT state, state_crc FROM ${table} WHERE person = 'u2') WHERE person = 'u1'`,
  );
  expect(rowCount).toBe(1);
}

/** How many records are archived. */
async function rows(): Promise<number> {
  const { sources } = await loadDefinitions(`${world.folder}/features`);
  const source = sources.get(world.source);
  if (source === undefined) throw new Error('no source');
  const status = await archiveStatus({ pool: world.pool, source, reader: null });
  expect(status.partitions.flatMap(({ holes }) => holes)).toEqual([]);
  // Contiguous from the first offset on: nothing twice, nothing left out.
  for (const { ranges, rows: held } of status.partitions)
    expect(ranges).toEqual(held === 0 ? [] : [{ fromOffset: 0, untilOffset: held, rows: held }]);
  return status.rows;
}

describe('a topic, archived on the real services', { timeout: TIMEOUT_MS }, () => {
  const start = (): Promise<boolean> =>
    startArchive(harness.client, world.source, harness.taskQueue, { sliceSeconds: 2, rollSeconds: 1 });

  it('is copied, and a second start is harmless', async () => {
    expect(await start()).toBe(true);
    expect(await start()).toBe(false);
    await eventually(async () => (await rows()) === 300);
    const status = await eventually(async () => {
      const at: ArchiveStatus = await archive().query(archiveStatusQuery);
      return at.partitions.length > 0 && at;
    });
    expect(status).toMatchObject({ phase: 'archiving', topic: world.topic, error: null });
  });

  it('goes on by itself where it was when its worker is killed', async () => {
    await world.send(world.make(100));
    const pid = world.workerPid;
    process.kill(pid, 'SIGKILL');
    await world.send(world.make(100));
    await eventually(() => world.workerPid !== pid);
    await eventually(async () => (await rows()) === 500);
    const status: ArchiveStatus = await archive().query(archiveStatusQuery);
    expect(status.error).toBeNull();
  });

  it('is stopped, and goes on at the same offsets when it is started again', async () => {
    await archive().executeUpdate(stopArchiveUpdate);
    expect(await archive().result()).toMatchObject({ phase: 'stopped' });
    await world.send(world.make(50));
    expect(await rows()).toBe(500);
    expect(await start()).toBe(true);
    await eventually(async () => (await rows()) === 550);
  });
});

describe('a view whose promotion is proven, on the real services', { timeout: TIMEOUT_MS }, () => {
  it('does not stream with a difference', async () => {
    await startLifecycle(harness.client, world.view, { sliceSeconds: 5, catchUpLag: 0 }, harness.taskQueue);
    await harness.reach(lifecycle(), 'published');
    await plant();
    await send('promote');
    const failed = await harness.reach(lifecycle(), 'failed');
    expect(failed).toMatchObject({
      error: { code: 'parity-broken', during: 'proof' },
      proof: { verdict: 'broken', entities: 7 },
      parity: { verdict: 'broken', kind: 'promotion' },
    });
    expect(failed.proof?.cellsDiffering).toBeGreaterThan(0);
    await parityIs('PARITY_BROKEN');
    const [stored] = await latestAudits(world.pool, world.view);
    expect(stored).toMatchObject({ auditId: failed.proof?.auditId, kind: 'promotion', verdict: 'broken' });
    // What is still wrong is found again.
    await send('retry');
    await harness.until(lifecycle(), ({ phase, proof }) => phase === 'failed' && proof?.auditId !== stored?.auditId);
  });

  it('streams when it was built anew, and says what was compared', async () => {
    await send('rebackfill');
    const status = await harness.until(lifecycle(), ({ version, phase }) => version === 2 && phase === 'streaming');
    expect(status).toMatchObject({
      error: null,
      proof: { version: 2, verdict: 'equal', entities: 7, cellsCompared: 28, cellsDiffering: 0 },
    });
    await parityIs('PARITY_OK');
    expect(await world.served()).toEqual(world.expected());
  });
});

describe('an audit, on the real services', { timeout: TIMEOUT_MS }, () => {
  it('finds what is served equal to what the log says', async () => {
    await world.send(world.make(200));
    expect(await audit()).toMatchObject({
      verdict: 'equal',
      version: 2,
      entities: 7,
      cellsDiffering: 0,
      differences: [],
    });
    await parityIs('PARITY_OK');
    expect((await harness.status(lifecycle())).parity).toMatchObject({ kind: 'audit', verdict: 'equal' });
  });

  it('finds a changed state, names its cause, and marks the view until it is healed', async () => {
    const table = stateTable((await liveVersion(world.pool, world.view))?.stateTable ?? '');
    await world.pool.query(
      `UPDATE ${table} SET state = set_byte(state, length(state) - 1, get_byte(state, length(state) - 1) # 1) WHERE person = 'u3'`,
    );
    const broken = await audit();
    expect(broken).toMatchObject({ verdict: 'broken', causes: { 'store-corruption': 1 } });
    expect(broken.verdict === 'broken' && broken.differences[0]).toMatchObject({
      entity: { person: 'u3' },
      cause: 'store-corruption',
    });
    await parityIs('PARITY_BROKEN');
    expect((await harness.status(lifecycle())).phase).toBe('streaming');
    await send('rebackfill');
    await harness.until(lifecycle(), ({ version, phase }) => version === 3 && phase === 'streaming');
    await parityIs('PARITY_OK');
    expect(await audit()).toMatchObject({ verdict: 'equal', version: 3 });
  });

  it('and a view built anew read the archive where the topic holds nothing any more', async () => {
    await eventually(async () => (await rows()) === 750);
    await world.deleteRecords();
    await send('rebackfill');
    const status = await harness.until(lifecycle(), ({ version, phase }) => version === 4 && phase === 'streaming');
    expect(status).toMatchObject({ rows: 1_750, proof: { version: 4, verdict: 'equal', cellsDiffering: 0 } });
    expect(await world.served()).toEqual(world.expected());
    expect(await audit()).toMatchObject({ verdict: 'equal', version: 4 });
  });

  it('of what nobody is served is a result, and no failure', async () => {
    await send('retire');
    await lifecycle().result();
    expect(await audit()).toMatchObject({ view: world.view, verdict: 'not-served' });
  });
});

describe('a view whose log is gone', { timeout: TIMEOUT_MS }, () => {
  it('streams all the same, and says that its promotion is not proven', async () => {
    const gone = await ClicksWorld.open(inject('stack'), `${harness.taskQueue}-gone`);
    try {
      gone.writeHistory(gone.make(100));
      await gone.send(gone.make(50));
      await gone.startWorker();
      await startLifecycle(harness.client, gone.view, { catchUpLag: 0 }, gone.taskQueue);
      const handle = harness.client.workflow.getHandle(`feature:${gone.view}`);
      await harness.reach(handle, 'published');
      await gone.deleteRecords();
      await sendCommand(harness.client, gone.view, 'promote');
      const status = await harness.reach(handle, 'streaming');
      expect(status).toMatchObject({ error: null, parity: null, proof: { verdict: 'unproven', cellsCompared: 0 } });
      expect(status.notice).toMatch(/^Not proven: (log-hole|offsets-gone|offset-out-of-range): /);
      await sendCommand(harness.client, gone.view, 'retire');
      await handle.result();
    } finally {
      await gone.close();
    }
  });
});
