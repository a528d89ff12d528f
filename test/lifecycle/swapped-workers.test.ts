import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { sendCommand, startLifecycle } from '../../cli/lifecycle-client.ts';
import { WorkerProcess } from '../../cli/worker-process.ts';
import { applyDefinitions, type ApplyOutcome } from '../../engine/bundles/apply-definitions.ts';
import { StoredVersionCode } from '../../engine/bundles/version-code.ts';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import { createKafkaLogReader } from '../../engine/kafka/kafkajs-log-reader.ts';
import { explainFeatures } from '../../engine/parity/explain-features.ts';
import { liveVersion } from '../../engine/postgres/live-version.ts';
import { systemClock } from '../../engine/values/clock.ts';
import type { AuditResultSummary } from '../../workflows/audit-parity/contract.ts';
import type { ExportSummary } from '../../workflows/export-training-set/contract.ts';
import { runCli } from '../cli/run-cli.ts';
import { ClicksWorld } from './clicks-world.ts';
import { eventually, LifecycleHarness } from './lifecycle-harness.ts';

const TIMEOUT_MS = 240_000;

let harness: LifecycleHarness;
let world: ClicksWorld;
let fingerprint = '';
/** Running workers, by the folder of definitions they were started with. */
const workers = new Map<string, WorkerProcess>();
const lines: string[] = [];

/** `a` is what is applied and served; `b` counts otherwise, and has one more feature; `c` has nothing of it. */
const folderOf = (name: string): string => join(world.folder, `features-${name}`);
beforeAll(async () => {
  harness = await LifecycleHarness.open(inject('stack'));
  world = await ClicksWorld.open(inject('stack'), harness.taskQueue);
  world.writeHistory(world.make(500));
  await world.send(world.make(200));
  const definition = world.definition('');
  const other = world.definition(", most: f.max('amount')").replace("f.sum('amount')", 'f.sum((e) => e.amount * 2)');
  const unrelated = definition.replaceAll(world.view, 'somebody_else');
  for (const [name, text] of [
    ['a', definition],
    ['b', other],
    ['c', unrelated],
  ] as const) {
    mkdirSync(folderOf(name));
    writeFileSync(join(folderOf(name), 'index.ts'), text);
  }
});
afterAll(async () => {
  for (const name of workers.keys()) await stop(name);
  await world?.close();
  await harness?.close();
});

async function start(name: string): Promise<void> {
  const worker = await WorkerProcess.start({
    variables: { ...world.variables, MILLRACE_FEATURES: folderOf(name) },
    logFile: null,
    onLine: (line) => lines.push(line),
  });
  workers.set(name, worker);
}

async function stop(name: string): Promise<void> {
  await workers.get(name)?.stop();
  workers.delete(name);
}

async function apply(name: string): Promise<ApplyOutcome> {
  const definitions = await loadDefinitions(folderOf(name));
  return await applyDefinitions({ pool: world.pool, definitions, actor: 'test' });
}

const lifecycle = (): WorkflowHandle => harness.client.workflow.getHandle(`feature:${world.view}`);

/** Sends clicks and waits until what is served is what all of them come to. */
async function streams(): Promise<void> {
  await world.send(world.make(200));
  const expected = JSON.stringify(world.expected());
  await eventually(async () => JSON.stringify(await world.served()) === expected);
}

async function audit(): Promise<AuditResultSummary> {
  return (await harness.client.workflow.execute('auditParity', {
    workflowId: `audit:${world.view}:${randomUUID()}`,
    taskQueue: harness.taskQueue,
    args: [{ view: world.view }],
  })) as AuditResultSummary;
}

/** Every failure of an activity in the lifecycle's history, by code. */
async function failures(): Promise<string[]> {
  const { events } = await lifecycle().fetchHistory();
  return (events ?? []).flatMap(
    (event) =>
      event.activityTaskFailedEventAttributes?.failure?.cause?.applicationFailureInfo?.type ??
      event.activityTaskFailedEventAttributes?.failure?.applicationFailureInfo?.type ??
      [],
  );
}

describe('a version runs its own code, whatever workers were started with', { timeout: TIMEOUT_MS }, () => {
  it('is built as it was applied, by a worker that has another definition', async () => {
    const outcome = await apply('a');
    expect(outcome).toMatchObject({
      applyNumber: 1,
      views: [{ view: world.view, change: 'new', before: null }],
      gone: [],
    });
    fingerprint = outcome.views[0]!.fingerprint;
    expect(await apply('a')).toMatchObject({ applyNumber: null, views: [{ change: 'unchanged' }] });
    await start('b');
    await startLifecycle(harness.client, world.view, { sliceSeconds: 2, catchUpLag: 0 }, harness.taskQueue);
    await harness.reach(lifecycle(), 'published');
    expect(await liveVersion(world.pool, world.view)).toMatchObject({ version: 1, fingerprint });
    await sendCommand(harness.client, world.view, 'promote');
    // The proof of its promotion is by its own code, too.
    const { proof } = await harness.reach(lifecycle(), 'streaming');
    expect(proof).toMatchObject({ verdict: 'equal', cellsDiffering: 0 });
    await streams();
    expect(lines.filter((line) => line.includes('another definition')).length).toBe(1);
  });

  it('streams on while workers of two definitions, and one of none, come and go', async () => {
    for (const [going, coming] of [
      ['', 'a'],
      ['b', 'c'],
      ['a', 'b'],
      ['c', 'a'],
      ['b', 'c'],
      ['a', ''],
    ] as const) {
      if (coming !== '') await start(coming);
      await world.send(world.make(50));
      if (going !== '') await stop(going);
      await streams();
    }
    expect([...workers.keys()]).toEqual(['c']);
    expect((await harness.status(lifecycle())).error).toBeNull();
    expect(await failures()).toEqual([]);
  });

  it('is audited, explained and exported by workers and commands that no longer have its definition', async () => {
    const audited = await audit();
    expect(audited).toMatchObject({ verdict: 'equal', version: 1, fingerprint, cellsDiffering: 0 });
    const definitions = await loadDefinitions(folderOf('c'));
    const reader = createKafkaLogReader({ brokers: inject('stack').kafkaBrokers, clientId: 'test' });
    try {
      const explained = await explainFeatures({
        view: world.view,
        code: new StoredVersionCode({ definitions, pool: world.pool }),
        pool: world.pool,
        reader,
        archiveDir: null,
        key: ['u1'],
        spillDir: join(world.folder, 'spill'),
        clock: systemClock,
      });
      expect(explained).toMatchObject({ version: 1, fingerprint });
      for (const { value, replayed } of explained.features) expect(value).toEqual(replayed);
    } finally {
      await reader.close();
    }
    // The service is of folder b, whose view is another; what is exported is what is served.
    await start('b');
    await stop('c');
    const newest = world.clicks.at(-1)!;
    writeFileSync(
      join(world.folder, 'spine.csv'),
      `person,event_timestamp\nu1,${new Date(Date.now()).toISOString()}\n`,
    );
    for (const mode of ['as-served', 'event-time'] as const) {
      const summary = (await harness.client.workflow.execute('exportTrainingSet', {
        workflowId: `export:${world.view}:${mode}`,
        taskQueue: harness.taskQueue,
        args: [{ service: `${world.view}_service`, spine: 'spine.csv', out: `${mode}.parquet`, mode }],
      })) as ExportSummary;
      expect(summary.features.map(({ column }) => column.split('__')[1])).toEqual([
        'n',
        'total',
        'n_1d',
        'last_amount',
      ]);
    }
    expect(newest.person).toMatch(/^u\d$/);
  });

  it('is changed by an apply alone, and then not at once', async () => {
    const cli = await runCli(['apply', '--features', folderOf('b'), '--json'], world.variables);
    expect([cli.stderr, JSON.parse(cli.stdout)]).toMatchObject([
      '',
      { applyNumber: 2, views: [{ change: 'changed', before: fingerprint, applyNumber: 2 }], told: [world.view] },
    ]);
    // Its lifecycle heard of it: what is to be is built aside, by whatever worker there is, and waits.
    await harness.until(lifecycle(), ({ candidate }) => candidate?.version === 2);
    await streams();
    expect(await liveVersion(world.pool, world.view)).toMatchObject({ version: 1, fingerprint });
    // Back: what is to be is what is served again.
    const back = await runCli(['apply', '--features', folderOf('a')], world.variables);
    expect(back.stdout).toContain('nothing: it is what is served');
    await harness.until(lifecycle(), ({ candidate }) => candidate === null);
    expect(await apply('c')).toMatchObject({ views: [{ view: 'somebody_else', change: 'new' }], gone: [world.view] });
  });

  it('stops by name where its stored code was tampered with, and goes on once it is mended', async () => {
    const table = 'millrace_catalog.view_bundle';
    const { rows } = await world.pool.query<{ bundle: Buffer }>(`SELECT bundle FROM ${table} WHERE fingerprint = $1`, [
      fingerprint,
    ]);
    const set = (bundle: Buffer): Promise<unknown> =>
      world.pool.query(`UPDATE ${table} SET bundle = $2 WHERE fingerprint = $1`, [fingerprint, bundle]);
    const text = rows[0]!.bundle.toString();
    await set(Buffer.from(text.replace('amount', 'amounT')));
    // What it imported before stays in a process: another one reads the row.
    await stop('b');
    await start('c');
    const failed = await harness.reach(lifecycle(), 'failed');
    expect(failed).toMatchObject({ version: 1, error: { code: 'bundle-tampered' } });
    expect(JSON.stringify(await world.served())).toBe(JSON.stringify(world.expected()));
    await world.send(world.make(100));
    await set(rows[0]!.bundle);
    await sendCommand(harness.client, world.view, 'retry');
    await harness.reach(lifecycle(), 'streaming');
    await streams();
    expect(await audit()).toMatchObject({ verdict: 'equal', cellsDiffering: 0 });
  });
});
