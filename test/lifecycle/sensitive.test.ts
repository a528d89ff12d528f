import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { sendCommand, startLifecycle } from '../../cli/lifecycle-client.ts';
import { WorkerProcess } from '../../cli/worker-process.ts';
import { installationNames } from '../../engine/installation/installation-names.ts';
import { liveVersion } from '../../engine/postgres/live-version.ts';
import { stateTable } from '../../engine/postgres/state-table.ts';
import type { AuditResultSummary } from '../../workflows/audit-parity/contract.ts';
import { runCli } from '../cli/run-cli.ts';
import { type Click, ClicksWorld } from './clicks-world.ts';
import { eventually, LifecycleHarness } from './lifecycle-harness.ts';

/** Values that stand in records, and may stand in no output: a key, an event id, and what a feature keeps. */
const PERSON = 'u982451653';
const ID = 'c-314159265';
const NOTE = 'Planted Note 4711';
const PLANTED = [PERSON, ID, NOTE];

interface Noted extends Click {
  readonly note: string;
}

let harness: LifecycleHarness;
let world: ClicksWorld;
let worker: WorkerProcess;
const outputs: string[] = [];

function definition(): string {
  return `import { entity, featureService, featureView, source } from 'millrace';
import { z } from 'zod';
const clicks = source('${world.source}', {
  schema: z.object({ id: z.string(), at: z.iso.datetime(), person: z.string(), amount: z.int(), note: z.string().max(20) }),
  eventTime: 'at', eventId: 'id', topic: '${world.topic}', history: { path: 'data/*.jsonl', disjoint: true },
  sensitive: ['id', 'person', 'note'], invalidLimit: { rate: 1, window: 1000 },
});
export const ${world.view} = featureView('${world.view}', {
  entity: entity('person', { person: z.string() }), source: clicks,
  where: (e) => { if (e.amount === 4711) throw new Error('no ' + e.note); return true; },
  features: (f) => ({ n: f.count(), last_note: f.last('note'), first_amount: f.first('amount') }),
});
export const ${world.view}_service = featureService('${world.view}_service', [${world.view}]);
`;
}

const click = (index: number, more: Partial<Noted> = {}): Noted => ({
  id: index === 0 ? ID : `${ID}-${index}`,
  at: new Date(Date.UTC(2026, 0, 1, 0, index)).toISOString(),
  person: PERSON,
  amount: index,
  note: NOTE,
  ...more,
});

/** Records that are refused in every way: by contract, as no JSON, by a row function. */
const broken = (from: number): readonly Noted[] => [
  click(from, { note: `${NOTE}, and much more than fits` }),
  click(from + 1, { at: 'yesterday' }),
  click(from + 2, { amount: 4711 }),
];

beforeAll(async () => {
  harness = await LifecycleHarness.open(inject('stack'));
  world = await ClicksWorld.open(inject('stack'), harness.taskQueue);
  writeFileSync(join(world.folder, 'features', 'index.ts'), definition());
  world.writeHistory([click(0), click(1), click(2, { person: 'u1' }), ...broken(10)]);
  const lines = `{"id":"x","note":"${NOTE}\n[${JSON.stringify(PERSON)}]\n`;
  writeFileSync(join(world.folder, 'data', 'no-json.jsonl'), lines);
  await world.send([click(3), click(4), ...broken(20)]);
  worker = await WorkerProcess.start({
    variables: { ...world.variables, MILLRACE_LOG_LEVEL: 'trace' },
    logFile: join(world.folder, 'worker.log'),
    onLine: () => undefined,
  });
});
afterAll(async () => {
  await worker?.stop();
  await world?.close();
  await harness?.close();
});

async function millrace(...args: string[]): Promise<string> {
  const { stdout, stderr } = await runCli(args, world.variables);
  return `${stdout}${stderr}`;
}

/** All that Temporal keeps of a workflow. */
async function historyOf(workflowId: string): Promise<string> {
  const handle = harness.client.workflow.getHandle(workflowId);
  const text: string[] = [];
  JSON.stringify(await handle.fetchHistory(), (_, value: unknown) => {
    if (value instanceof Uint8Array) text.push(Buffer.from(value).toString());
    else if (typeof value === 'string') text.push(value);
    return value;
  });
  return text.join('\n');
}

describe('values of sensitive fields', { timeout: 180_000 }, () => {
  it('stand in no line that commands print', async () => {
    const { view } = world;
    const lifecycle = harness.client.workflow.getHandle(installationNames().lifecycleId(view));
    await startLifecycle(harness.client, view, { catchUpLag: 0, sliceSeconds: 5 }, harness.taskQueue);
    await harness.reach(lifecycle, 'published');
    await sendCommand(harness.client, view, 'promote');
    await world.send([click(5), ...broken(30)]);
    await harness.reach(lifecycle, 'streaming');
    await eventually(async () => (await millrace('dead-letters', view, '--json')).split('"reasons"').length - 1 === 11);
    for (const form of [[], ['--json']]) {
      outputs.push(
        await millrace('dead-letters', view, ...form),
        await millrace('explain', view, `person=${PERSON}`, ...form),
        await millrace('status', view, ...form),
        await millrace('plan', ...form),
      );
    }
    const letters = await millrace('dead-letters', view);
    expect(letters).toMatch(/note: expected .* received hash:[0-9a-f]{16}/);
    expect(letters).toMatch(/where: the row function threw hash:/);
    const explained = await millrace('explain', view, `person=${PERSON}`);
    expect(explained).toMatch(/last_note = "?hash:/);
    expect(explained).toMatch(/n = [56]\b/);
  });

  it('stand in no audit, nor in what Temporal keeps of anything', async () => {
    const { view } = world;
    const table = stateTable((await liveVersion(world.pool, view))?.stateTable ?? '');
    const { rowCount } = await world.pool.query(
      `UPDATE ${table} SET (state, state_crc) = (SELECT state, state_crc FROM ${table} WHERE person = 'u1') WHERE person = $1`,
      [PERSON],
    );
    expect(rowCount).toBe(1);
    const workflowId = installationNames().auditId(view, randomUUID());
    const result = (await harness.client.workflow.execute('auditParity', {
      workflowId,
      taskQueue: harness.taskQueue,
      args: [{ view }],
    })) as AuditResultSummary;
    if (result.verdict !== 'broken') throw new Error(`expected a difference, received ${JSON.stringify(result)}`);
    expect(result.differences[0]?.entity['person']).toMatch(/^hash:/);
    expect(result.differences[0]?.cells.map(({ feature }) => feature)).toContain('first_amount');
    // The catalog, which the owner and the worker alone read, has it in the clear.
    const { rows } = await world.pool.query<{ entity: { person: string } }>(
      'SELECT entity FROM millrace_catalog.parity_difference WHERE audit_id = $1',
      [result.auditId],
    );
    expect(rows.map(({ entity }) => entity.person)).toEqual([PERSON]);
    outputs.push(JSON.stringify(result), await millrace('audit', view), await millrace('audit', view, '--json'));
    outputs.push(await historyOf(installationNames().lifecycleId(view)), await historyOf(workflowId));
    outputs.push(readFileSync(join(world.folder, 'worker.log'), 'utf8'));
    for (const output of outputs) {
      expect(output).not.toBe('');
      for (const planted of PLANTED) expect(output).not.toContain(planted);
    }
  });

  it('are shown to who asks for them, and has the rights of the database', async () => {
    const { view } = world;
    const letters = await millrace('dead-letters', view, '--json', '--reveal');
    const explained = await millrace('explain', view, `person=${PERSON}`, '--reveal');
    for (const planted of PLANTED) expect(letters).toContain(planted);
    for (const planted of PLANTED) expect(explained).toContain(planted);
    // What is kept of the reasons is hashed for good: it has been shown already where it was met.
    expect(letters).toMatch(/received hash:/);
  });

  it('of sources that the definitions do not have, all are', async () => {
    const { stdout, stderr } = await runCli(['dead-letters', world.view, '--json'], {
      ...world.variables,
      MILLRACE_FEATURES: join(world.folder, 'nothing'),
    });
    expect(stderr).toContain('all values are hashed; --reveal shows them');
    for (const planted of PLANTED) expect(stdout).not.toContain(planted);
    expect(stdout).not.toContain('4711');
  });
});
