import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { CancelledFailure } from '@temporalio/common';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import {
  type ArchiveSliceInput,
  type ArchiveStatus,
  archiveStatusQuery,
  archiveWorkflowId,
  pauseArchiveUpdate,
  resumeArchiveUpdate,
  retryArchiveUpdate,
  stopArchiveUpdate,
} from '../../workflows/archive-source/contract.ts';
import { eventually, LifecycleHarness, uniqueView } from './lifecycle-harness.ts';
import { activitiesOf, ScriptedActivities, scriptedFailure } from './scripted-activities.ts';

let harness: LifecycleHarness;
const scripts = new Map<string, ScriptedActivities>();
beforeAll(async () => {
  harness = await LifecycleHarness.open(inject('stack'));
  await harness.startWorker(activitiesOf(scripts));
});
afterAll(() => harness.close());

async function start(
  name: string,
  options: Readonly<Record<string, unknown>> = {},
  prepare: (script: ScriptedActivities) => void = () => {},
): Promise<{ source: string; script: ScriptedActivities; handle: WorkflowHandle }> {
  const source = uniqueView(name);
  const script = new ScriptedActivities(source);
  prepare(script);
  scripts.set(source, script);
  const handle = await harness.client.workflow.start('archiveSource', {
    workflowId: archiveWorkflowId(source),
    taskQueue: harness.taskQueue,
    args: [{ source, options }],
  });
  return { source, script, handle };
}

/** Of the newest run: the id outlives continue-as-new. */
function latest(handle: WorkflowHandle): WorkflowHandle {
  return harness.client.workflow.getHandle(handle.workflowId);
}

async function until(handle: WorkflowHandle, condition: (status: ArchiveStatus) => boolean): Promise<ArchiveStatus> {
  return await eventually(async () => {
    const status = await latest(handle).query(archiveStatusQuery);
    return condition(status) && status;
  });
}

const slices = (script: ScriptedActivities): ArchiveSliceInput[] =>
  script.named('runArchiveSlice').map(({ input }) => input as ArchiveSliceInput);

describe('archiveSource', () => {
  it('copies slice after slice above every generation there was, and tends to its files in between', async () => {
    const { source, script, handle } = await start('slices', { sliceSeconds: 1, rollRows: 10 }, (prepared) => {
      prepared.archivePlan = { source: 'clicks', topic: 'clicks', generation: 7 };
    });
    await eventually(() => script.named('tendArchive').length >= 2);
    const status = await until(handle, ({ mergedFiles }) => mergedFiles >= 4);
    expect(status).toMatchObject({ source, topic: 'clicks', phase: 'archiving', error: null });
    expect(status.partitions[0]).toMatchObject({ partition: 0, holes: [] });
    const generations = slices(script).map(({ generation }) => generation);
    expect(generations.slice(0, 2)).toEqual([8, 9]);
    expect(slices(script)[0]).toMatchObject({ rollRows: 10, rollSeconds: null });
    expect((await handle.describe()).searchAttributes).toMatchObject({
      ArchiveSource: [source],
      ArchivePhase: ['archiving'],
    });
    expect((await handle.executeUpdate(stopArchiveUpdate)).phase).toBe('stopping');
    expect(await handle.result()).toMatchObject({ phase: 'stopped', accepts: [] });
    const fences = script.named('fenceArchive').map(({ input }) => (input as { generation: number }).generation);
    expect(Math.min(...fences)).toBeGreaterThan(Math.max(...slices(script).map(({ generation }) => generation)));
  });

  it('pauses behind a fence and resumes', async () => {
    const { script, handle } = await start('pauses');
    await eventually(() => slices(script).length === 1);
    expect((await handle.executeUpdate(pauseArchiveUpdate)).phase).toBe('pausing');
    const paused = await until(handle, ({ phase }) => phase === 'paused');
    expect(paused.accepts).toEqual(['resume', 'stop']);
    expect(script.named('fenceArchive')).toHaveLength(1);
    await handle.executeUpdate(resumeArchiveUpdate);
    await eventually(() => slices(script).length === 2);
    await handle.executeUpdate(stopArchiveUpdate);
    await handle.result();
  });

  it('waits for a person after a failure, and goes on at retry', async () => {
    const { script, handle } = await start('fails', {}, (prepared) => {
      prepared.failing = { runArchiveSlice: scriptedFailure('archive-unwritable') };
    });
    const failed = await until(handle, ({ phase }) => phase === 'failed');
    expect(failed.error).toMatchObject({
      code: 'archive-unwritable',
      remedy: 'mend archive-unwritable',
      during: 'archiving',
    });
    expect(script.named('fenceArchive')).toHaveLength(1);
    script.failing = {};
    await handle.executeUpdate(retryArchiveUpdate);
    await until(handle, ({ phase }) => phase === 'archiving');
    await eventually(() => slices(script).length === 2);
    await handle.executeUpdate(stopArchiveUpdate);
    await handle.result();
  });

  it('waits for a worker that knows its source, once it has begun', async () => {
    const { script, handle } = await start('forgotten', { sliceSeconds: 1 });
    await until(handle, ({ partitions }) => partitions.length > 0);
    script.failing = { runArchiveSlice: scriptedFailure('unknown-source') };
    expect((await until(handle, ({ phase }) => phase === 'failed')).error).toMatchObject({ code: 'unknown-source' });
    script.failing = {};
    await handle.executeUpdate(retryArchiveUpdate);
    await until(handle, ({ phase }) => phase === 'archiving');
    await handle.executeUpdate(stopArchiveUpdate);
    await handle.result();
  });

  it('copies on when files cannot be merged', async () => {
    const { script, handle } = await start('tends', { sliceSeconds: 1 }, (prepared) => {
      prepared.failing = { tendArchive: scriptedFailure('archive-file-damaged') };
    });
    const status = await until(handle, ({ error }) => error !== null);
    expect(status).toMatchObject({
      phase: 'archiving',
      error: { code: 'archive-file-damaged', during: 'merging files' },
    });
    await eventually(() => slices(script).length >= 2);
    script.failing = {};
    await until(handle, ({ error }) => error === null);
    await handle.executeUpdate(stopArchiveUpdate);
    await handle.result();
  });

  it('carries everything over continue-as-new', async () => {
    const { script, handle } = await start('carried', { sliceSeconds: 1, maxHistoryEvents: 30 });
    const { runId } = await handle.describe();
    await eventually(async () => (await latest(handle).describe()).runId !== runId);
    const status = await until(handle, ({ phase }) => phase === 'archiving');
    expect(status.records).toBeGreaterThan(0);
    expect(script.named('resolveSource')).toHaveLength(1);
    await latest(handle).executeUpdate(stopArchiveUpdate);
    await latest(handle).result();
    const generations = slices(script).map(({ generation }) => generation);
    expect(new Set(generations).size).toBe(generations.length);
  });

  it('goes above a generation that somebody else has taken', async () => {
    const { script, handle } = await start('superseded', {}, (prepared) => {
      prepared.archived = ({ generation }) =>
        generation <= 50 ? { ended: 'superseded', records: 0, files: 0, lag: 0, generation: 50 } : null;
    });
    await eventually(() => slices(script).length === 2);
    expect(slices(script)[1]?.generation).toBe(51);
    await handle.executeUpdate(stopArchiveUpdate);
    await handle.result();
  });

  it('stops behind a fence when its workflow is cancelled', async () => {
    const { script, handle } = await start('cancelled');
    await eventually(() => slices(script).length === 1);
    await handle.cancel();
    const error: unknown = await handle.result().catch((caught: unknown) => caught);
    expect((error as WorkflowFailedError).cause).toBeInstanceOf(CancelledFailure);
    expect(script.named('fenceArchive').length).toBeGreaterThan(0);
  });

  it('ends when there is no such source, so that the id is free again', async () => {
    const { handle } = await start('unknown', {}, (prepared) => {
      prepared.failing = { resolveSource: scriptedFailure('unknown-source') };
    });
    const error: unknown = await handle.result().catch((caught: unknown) => caught);
    expect((error as WorkflowFailedError).cause).toMatchObject({ type: 'unknown-source' });
  });

  it.each([
    [{}, 'invalid-input', '"source" must be a non-empty string'],
    [{ source: 'x', colour: 'red' }, 'invalid-input', 'unknown field "colour"'],
    [
      { source: 'x', options: { sliceSeconds: 0 } },
      'invalid-input',
      'option "sliceSeconds" must be a whole number of at least 1',
    ],
    [{ source: 'x', options: { shards: 1 } }, 'invalid-input', 'unknown option "shards"'],
    [{ source: 'y' }, 'workflow-id-mismatch', 'must have the workflow id "archive:y"'],
    [{ source: 'millrace_served' }, 'workflow-id-mismatch', 'must have the workflow id "archive:millrace_served:test-'],
  ])('ends at once when started with %j', async (input, type, message) => {
    const handle = await harness.client.workflow.start('archiveSource', {
      workflowId: uniqueView('archive:input'),
      taskQueue: harness.taskQueue,
      args: [input],
    });
    const error: unknown = await handle.result().catch((caught: unknown) => caught);
    expect((error as WorkflowFailedError).cause).toMatchObject({ type, message: expect.stringContaining(message) });
  });
});
