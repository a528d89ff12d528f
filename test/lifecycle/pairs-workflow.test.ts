/** What `joinPairs` does by itself: activities are scripted. */
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import {
  type PairsSliceInput,
  type PairsStatus,
  pairsStatusQuery,
  pairsWorkflowId,
  pausePairsUpdate,
  resumePairsUpdate,
  retryPairsUpdate,
  stopPairsUpdate,
} from '../../workflows/join-pairs/contract.ts';
import { eventually, LifecycleHarness, pageOf, uniqueView } from './lifecycle-harness.ts';
import { activitiesOf, ScriptedActivities, scriptedFailure } from './scripted-activities.ts';

let harness: LifecycleHarness;
const scripts = new Map<string, ScriptedActivities>();
beforeAll(async () => {
  harness = await LifecycleHarness.open(inject('stack'));
  await harness.startWorker(activitiesOf(scripts));
});
afterAll(() => harness.close());

interface Started {
  readonly labelSet: string;
  readonly script: ScriptedActivities;
  readonly handle: WorkflowHandle;
}

async function start(
  name: string,
  options: Readonly<Record<string, unknown>> = {},
  prepare: (script: ScriptedActivities) => void = () => {},
): Promise<Started> {
  const labelSet = uniqueView(name);
  const script = new ScriptedActivities(labelSet);
  prepare(script);
  scripts.set(labelSet, script);
  const handle = await harness.client.workflow.start('joinPairs', {
    workflowId: pairsWorkflowId(labelSet),
    taskQueue: harness.taskQueue,
    args: [{ labelSet, options }],
  });
  return { labelSet, script, handle };
}

/** Of the newest run: the id outlives continue-as-new. */
const latest = (handle: WorkflowHandle): WorkflowHandle => harness.client.workflow.getHandle(handle.workflowId);

async function until(handle: WorkflowHandle, condition: (status: PairsStatus) => boolean): Promise<PairsStatus> {
  return await eventually(async () => {
    const status = await latest(handle).query(pairsStatusQuery);
    return condition(status) && status;
  });
}

const slices = (script: ScriptedActivities): PairsSliceInput[] =>
  script.named('runPairsSlice').map(({ input }) => input as PairsSliceInput);
const generationsOf = (script: ScriptedActivities, name: string): number[] =>
  script.named(name).map(({ input }) => (input as { readonly generation: number }).generation);

describe('joinPairs', () => {
  it('joins slice after slice, says of what and how it stands where it is listed, and stops behind a fence', async () => {
    const { labelSet, script, handle } = await start('joins', { sliceSeconds: 1 });
    const status = await until(handle, ({ pairs }) => pairs >= 2);
    expect(status).toMatchObject({ labelSet, topic: `pairs.${labelSet}`, phase: 'joining', error: null });
    expect(slices(script).slice(0, 2)).toMatchObject([{ labelSet, generation: 1, waiting: null }, { generation: 2 }]);
    expect((await handle.describe()).searchAttributes).toMatchObject({
      Pairs: [labelSet, 'joining'],
    });
    expect(await pageOf(handle)).toContain(`### pairs of ${labelSet}: joining`);
    expect((await handle.executeUpdate(stopPairsUpdate)).phase).toBe('stopping');
    expect(await handle.result()).toMatchObject({ phase: 'stopped', accepts: [] });
    expect((await handle.describe()).searchAttributes).toMatchObject({ Pairs: [labelSet, 'stopped'] });
    expect(Math.min(...generationsOf(script, 'fencePairs'))).toBeGreaterThan(
      Math.max(...generationsOf(script, 'runPairsSlice')),
    );
  });

  it('pauses behind a fence and resumes', async () => {
    const { script, handle } = await start('pauses');
    await eventually(() => slices(script).length === 1);
    expect((await handle.executeUpdate(pausePairsUpdate)).phase).toBe('pausing');
    const paused = await until(handle, ({ phase }) => phase === 'paused');
    expect(paused.accepts).toEqual(['resume', 'stop']);
    expect(script.named('fencePairs')).toHaveLength(1);
    await handle.executeUpdate(resumePairsUpdate);
    await eventually(() => slices(script).length === 2);
    await handle.executeUpdate(stopPairsUpdate);
    await handle.result();
  });

  it('waits for a person after a failure, and goes on at retry', async () => {
    const { script, handle } = await start('fails', {}, (prepared) => {
      prepared.failing = { runPairsSlice: scriptedFailure('pairs-changed') };
    });
    const failed = await until(handle, ({ phase }) => phase === 'failed');
    expect(failed.error).toMatchObject({ code: 'pairs-changed', remedy: 'mend pairs-changed', during: 'joining' });
    expect(failed.accepts).toContain('retry');
    script.failing = {};
    await handle.executeUpdate(retryPairsUpdate);
    await until(handle, ({ phase }) => phase === 'joining');
    await expect(handle.executeUpdate(retryPairsUpdate)).rejects.toThrow();
    await handle.executeUpdate(stopPairsUpdate);
    await handle.result();
  });

  it('carries everything over continue-as-new, also what the list says', async () => {
    const { labelSet, script, handle } = await start('carried', { sliceSeconds: 1, maxHistoryEvents: 30 });
    const { runId } = await handle.describe();
    await eventually(async () => (await latest(handle).describe()).runId !== runId);
    const status = await until(handle, ({ phase }) => phase === 'joining');
    expect(status.records).toBeGreaterThan(0);
    expect(script.named('resolvePairs')).toHaveLength(1);
    await eventually(async () => {
      const { searchAttributes } = await latest(handle).describe();
      return String(searchAttributes['Pairs']) === `${labelSet},joining`;
    });
    await latest(handle).executeUpdate(stopPairsUpdate);
    await latest(handle).result();
    const generations = generationsOf(script, 'runPairsSlice');
    expect(new Set(generations).size).toBe(generations.length);
  });

  it('stops where it is cancelled', async () => {
    const { labelSet, script, handle } = await start('cancelled');
    await eventually(() => slices(script).length === 1);
    await handle.cancel();
    await expect(handle.result()).rejects.toThrow();
    expect(script.named('fencePairs').length).toBeGreaterThan(0);
    expect((await handle.describe()).searchAttributes).toMatchObject({ Pairs: [labelSet, 'stopped'] });
  });

  it.each(['unknown-label-set', 'source-without-topic'])(
    'ends where there is nothing to wait for: %s',
    async (code) => {
      const { handle } = await start('unknown', {}, (prepared) => {
        prepared.failing = { resolvePairs: scriptedFailure(code) };
      });
      await expect(handle.result()).rejects.toMatchObject({ cause: { type: code } });
    },
  );

  it.each([
    ['another id', { labelSet: 'late' }, 'pairs:other', 'workflow-id-mismatch'],
    ['an option that is none', { labelSet: 'late', options: { slices: 1 } }, 'pairs:late', 'invalid-input'],
    ['no label set', {}, 'pairs:late', 'invalid-input'],
  ])('refuses %s', async (_, input, workflowId, code) => {
    const handle = await harness.client.workflow.start('joinPairs', {
      workflowId,
      taskQueue: harness.taskQueue,
      args: [input],
    });
    await expect(handle.result()).rejects.toMatchObject({ cause: { type: code } });
  });
});
