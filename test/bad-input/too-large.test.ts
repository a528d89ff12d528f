import { join } from 'node:path';
import { WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DuckDBInstance } from 'duckdb';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { asActivity } from '../../activities/activity-error.ts';
import { WorkerProcess } from '../../cli/worker-process.ts';
import { isMillraceError } from '../../engine/errors/millrace-error.ts';
import { ClicksWorld } from '../lifecycle/clicks-world.ts';
import { LifecycleHarness } from '../lifecycle/lifecycle-harness.ts';

/** What a person reads, and far below what Temporal takes. */
const MESSAGE_MOST = 2_200;
const LINE_MOST = 20_000;

let harness: LifecycleHarness;
let world: ClicksWorld;
beforeAll(async () => {
  harness = await LifecycleHarness.open(inject('stack'));
  world = await ClicksWorld.open(inject('stack'), harness.taskQueue);
  world.writeHistory(world.make(10));
  await world.startWorker();
});
afterAll(async () => {
  await world?.close();
  await harness?.close();
});

async function exported(input: Readonly<Record<string, unknown>>): Promise<ApplicationFailure> {
  const handle = await harness.client.workflow.start('exportTrainingSet', {
    workflowId: `export:${world.view}:${Math.floor(performance.now())}`,
    taskQueue: harness.taskQueue,
    args: [{ service: `${world.view}_service`, spine: 'wide.parquet', out: 'train.parquet', ...input }],
  });
  const error: unknown = await handle.result().catch((caught: unknown) => caught);
  const { cause } = error as WorkflowFailedError;
  const failure = cause instanceof ApplicationFailure ? cause : cause?.cause;
  if (!(failure instanceof ApplicationFailure)) throw error;
  return failure;
}

describe('what is larger than Temporal takes', { timeout: 180_000 }, () => {
  it('a spine of 12,000 columns with long names, and none of them the key: fails at once, with what fits', async () => {
    const names = Array.from({ length: 12_000 }, (_, n) => `${'column'.repeat(32)}_${String(n).padStart(7, '0')}`);
    expect(names[0]).toHaveLength(200);
    const instance = await DuckDBInstance.create(':memory:');
    const connection = await instance.connect();
    const columns = names.map((name, n) => `${n} AS ${name}`).join(', ');
    const at = "TIMESTAMPTZ '2026-01-01T00:00:00Z' AS event_timestamp";
    await connection.run(`COPY (SELECT ${at}, ${columns}) TO '${join(world.folder, 'wide.parquet')}' (FORMAT parquet)`);
    connection.closeSync();
    instance.closeSync();
    const failure = await exported({});
    expect(failure.type).toBe('spine-column-missing');
    expect(failure.message).toContain('no column "person"');
    expect(failure.message).toMatch(/\[\d+ characters left out\]/);
    expect(failure.message.length).toBeLessThan(MESSAGE_MOST);
    expect(JSON.stringify(failure.details).length).toBeLessThan(LINE_MOST);
    expect(Math.max(0, ...world.workerLines.map((line) => line.length))).toBeLessThan(LINE_MOST);
  });

  it('an input of its own that is refused: by a message that fits', async () => {
    const failure = await exported({ onError: 'x'.repeat(1_500_000) });
    expect(failure.type).toBe('invalid-input');
    expect(failure.message.length).toBeLessThan(MESSAGE_MOST);
    expect(failure.message).toContain('characters left out');
  });

  it('definitions with 2,000 faults: the worker says them all to who started it, and its log a line', async () => {
    const features = Array.from({ length: 2_000 }, (_, n) => `wrong_${n}: f.sum('nothing_of_that_name_${n}')`);
    world.define(`, ${features.join(', ')}`);
    const lines: string[] = [];
    const failed: unknown = await WorkerProcess.start({
      variables: world.variables,
      logFile: null,
      onLine: (line) => lines.push(line),
    }).catch((error: unknown) => error);
    world.define('');
    if (!isMillraceError(failed)) throw failed;
    expect(failed.code).toBe('invalid-definitions');
    expect(failed.message).toContain('nothing_of_that_name_1999');
    expect(lines.length).toBeGreaterThan(0);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(LINE_MOST);
  });

  it('a result: fails once and for good, by name, in place of being done again and again', async () => {
    const environment = new MockActivityEnvironment({ attempt: 1 });
    const wide = asActivity('by-error', async (length: number) => ({ text: 'x'.repeat(length) }));
    expect(await environment.run(wide, 1_000_000)).toMatchObject({ text: expect.stringMatching(/^x+$/) as string });
    await expect(environment.run(wide, 2_000_000)).rejects.toMatchObject({
      type: 'result-too-large',
      nonRetryable: true,
    });
  });

  it('an error nobody named: its message, its stack and its cause', async () => {
    const cause = new Error('c'.repeat(3_000_000));
    const thrown = new TypeError(`begin ${'x'.repeat(3_000_000)}`, { cause });
    const failing = asActivity('by-error', () => Promise.reject(thrown));
    const environment = new MockActivityEnvironment({ attempt: 5 });
    const failure: unknown = await environment.run(failing, undefined).catch((error: unknown) => error);
    expect(failure).toMatchObject({ type: 'unexpected-error', nonRetryable: true });
    const { message, stack = '', cause: kept } = failure as ApplicationFailure;
    expect(message).toMatch(/^TypeError: begin x+ … \[/);
    expect(message.length + stack.length + (kept?.message ?? '').length + (kept?.stack ?? '').length).toBeLessThan(
      20_000,
    );
    expect(kept?.cause).toBeUndefined();
  });
});
