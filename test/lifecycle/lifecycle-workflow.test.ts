import { WorkflowFailedError, type WorkflowHandle, WorkflowUpdateFailedError } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import {
  approveUpdate,
  type BackfillInput,
  type LifecycleStatus,
  promoteUpdate,
  rebackfillUpdate,
  refreshUpdate,
  resumeUpdate,
  retireUpdate,
  retryUpdate,
  pauseUpdate,
} from '../../workflows/feature-lifecycle/contract.ts';
import { eventually, LifecycleHarness, uniqueView } from './lifecycle-harness.ts';
import { activitiesOf, auditSummary, ScriptedActivities, scriptedFailure } from './scripted-activities.ts';

let harness: LifecycleHarness;
const scripts = new Map<string, ScriptedActivities>();
beforeAll(async () => {
  harness = await LifecycleHarness.open(inject('stack'));
  await harness.startWorker(activitiesOf(scripts));
});
afterAll(() => harness.close());

function scripted(name: string): { view: string; script: ScriptedActivities } {
  const view = uniqueView(name);
  const script = new ScriptedActivities(view);
  scripts.set(view, script);
  return { view, script };
}

describe('featureLifecycle', () => {
  it('publishes, streams, pauses behind a fence, resumes and retires', async () => {
    const { view, script } = scripted('whole');
    const handle = await harness.start(view);
    await harness.reach(handle, 'published');
    expect((await handle.executeUpdate(promoteUpdate)).phase).toBe('catching-up');
    await harness.reach(handle, 'streaming');
    await eventually(() => script.slices().some((slice) => slice.until === 'forever'));
    expect((await handle.executeUpdate(pauseUpdate)).phase).toBe('pausing');
    await harness.reach(handle, 'paused');
    const slices = script.slices();
    const [fence] = script.named('fenceStream');
    expect((fence!.input as { generation: number }).generation).toBeGreaterThan(
      Math.max(...slices.map((slice) => slice.generation)),
    );
    await handle.executeUpdate(resumeUpdate);
    await harness.reach(handle, 'streaming');
    await handle.executeUpdate(retireUpdate);
    const last = (await handle.result()) as LifecycleStatus;
    expect(last).toMatchObject({ phase: 'retired', version: null, accepts: [] });
    expect(script.named('retireView')).toHaveLength(1);
    const { searchAttributes } = await handle.describe();
    expect(searchAttributes).toMatchObject({ FeatureView: [view], FeaturePhase: ['retired'] });
  });

  it('refuses what it cannot do, to the sender alone, and goes on', async () => {
    const { view } = scripted('refuses');
    const handle = await harness.start(view);
    await harness.reach(handle, 'published');
    await expect(handle.executeUpdate(retryUpdate)).rejects.toThrow(WorkflowUpdateFailedError);
    const error: unknown = await handle.executeUpdate(retryUpdate).catch((caught: unknown) => caught);
    expect((error as WorkflowUpdateFailedError).cause).toMatchObject({
      type: 'command-refused',
      message: 'retry: nothing has failed',
    });
    expect((await harness.status(handle)).phase).toBe('published');
    await handle.executeUpdate(retireUpdate);
    await handle.result();
  });

  it.each([
    [{}, 'invalid-input', '"view" must be the name of a view'],
    [{ view: 'x', colour: 'red' }, 'invalid-input', 'unknown field "colour"'],
    [{ view: 'x', options: { shards: 0 } }, 'invalid-input', 'option "shards" must be a whole number of at least 1'],
    ['x', 'invalid-input', 'expected one JSON object'],
    [{ view: 'y' }, 'workflow-id-mismatch', 'must have the workflow id "feature:y"'],
  ])('ends at once when started with %j', async (input, type, message) => {
    const workflowId = uniqueView('feature:input');
    const handle = await harness.client.workflow.start('featureLifecycle', {
      workflowId,
      taskQueue: harness.taskQueue,
      args: [input],
    });
    const error: unknown = await handle.result().catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(WorkflowFailedError);
    expect((error as WorkflowFailedError).cause).toMatchObject({ type, message: expect.stringContaining(message) });
  });

  it('ends when there is no such view, so that the id is free again', async () => {
    const view = uniqueView('unknown');
    const handle = await harness.start(view);
    const error: unknown = await handle.result().catch((caught: unknown) => caught);
    expect((error as WorkflowFailedError).cause).toMatchObject({ type: 'unknown-view' });
  });

  it('waits for a person after a failed backfill, and goes on at retry', async () => {
    const { view, script } = scripted('failing');
    script.failing = { backfillView: scriptedFailure('history-unreadable') };
    const handle = await harness.start(view);
    const failed = await harness.reach(handle, 'failed');
    expect(failed.error).toMatchObject({
      code: 'history-unreadable',
      remedy: 'mend history-unreadable',
      during: 'backfill',
    });
    // What an attempt had saved is left for the next.
    expect(script.named('discardUnfinished')).toHaveLength(0);
    script.failing = {};
    await handle.executeUpdate(retryUpdate);
    await harness.reach(handle, 'published');
    const [first, second] = script.named('backfillView').map(({ input }) => (input as BackfillInput).build);
    expect(first).toMatch(/^.+\/0$/);
    expect(second).toBe(first);
    await handle.executeUpdate(retireUpdate);
    await handle.result();
  });

  it('keeps serving when the definition changed under a stream, and flips to what rebackfill builds once it is approved', async () => {
    const { view, script } = scripted('changed');
    const handle = await harness.start(view);
    await handle.executeUpdate(promoteUpdate);
    await harness.reach(handle, 'streaming');
    script.failing = { runStreamSlice: scriptedFailure('definition-changed') };
    await handle.executeUpdate(pauseUpdate);
    await harness.reach(handle, 'paused');
    await handle.executeUpdate(resumeUpdate);
    const failed = await harness.reach(handle, 'failed');
    expect(failed).toMatchObject({ version: 1, error: { code: 'definition-changed' } });
    script.failing = {};
    script.plan = { ...script.plan, fingerprint: 'fingerprint-2' };
    await handle.executeUpdate(rebackfillUpdate);
    const waiting = await harness.until(handle, ({ candidate }) => candidate?.isCaughtUp === true);
    expect(waiting).toMatchObject({ version: 1, phase: 'failed', candidate: { version: 2 } });
    await handle.executeUpdate(approveUpdate, { args: [{ version: 2 }] });
    const streaming = await harness.reach(handle, 'streaming');
    expect(streaming).toMatchObject({ version: 2, fingerprint: 'fingerprint-2', error: null });
    // The new version was brought to the present before readers were flipped to it.
    const order = script.calls.map((call) => `${call.name} ${(call.input as { version?: number }).version ?? ''}`);
    expect(order.indexOf('runStreamSlice 2')).toBeLessThan(order.indexOf('switchVersion 2'));
    await handle.executeUpdate(retireUpdate);
    await handle.result();
  });

  it('streams on while a new version is built aside', async () => {
    const { view, script } = scripted('aside');
    const handle = await harness.start(view);
    await handle.executeUpdate(promoteUpdate);
    await harness.reach(handle, 'streaming');
    script.failing = { backfillView: scriptedFailure('disk-full') };
    await handle.executeUpdate(rebackfillUpdate);
    await harness.reach(handle, 'failed');
    expect(script.named('fenceStream')).toHaveLength(0);
    script.failing = {};
    await handle.executeUpdate(retryUpdate);
    const status = await harness.until(handle, ({ version, phase }) => version === 2 && phase === 'streaming');
    expect(status.error).toBeNull();
    await handle.executeUpdate(retireUpdate);
    await handle.result();
  });

  it('refreshes once by hand, and again and again on schedule', async () => {
    const { view, script } = scripted('refresh');
    script.plan = { ...script.plan, refreshMs: 300 };
    const handle = await harness.start(view);
    await harness.reach(handle, 'published');
    await handle.executeUpdate(refreshUpdate);
    await eventually(() => script.slices().length >= 4);
    expect(script.slices().every((slice) => slice.until === 'present-end')).toBe(true);
    await handle.executeUpdate(retireUpdate);
    await handle.result();
  });

  it('carries everything over continue-as-new, with a stream under way', async () => {
    const { view, script } = scripted('carried');
    const handle = await harness.start(view, { maxHistoryEvents: 60, sliceSeconds: 1 });
    await harness.reach(handle, 'published');
    const firstRun = (await handle.describe()).runId;
    await handle.executeUpdate(promoteUpdate);
    await eventually(
      async () => (await harness.client.workflow.getHandle(handle.workflowId).describe()).runId !== firstRun,
    );
    const carried = await harness.reach(harness.client.workflow.getHandle(handle.workflowId), 'streaming');
    expect(carried).toMatchObject({ version: 1, promoted: true, fingerprint: 'fingerprint-1' });
    expect(script.named('backfillView')).toHaveLength(1);
    const generations = script.slices().map((slice) => slice.generation);
    expect(generations).toEqual(generations.toSorted((a, b) => a - b));
    expect(new Set(generations).size).toBe(generations.length);
    const now = harness.client.workflow.getHandle(handle.workflowId);
    await now.executeUpdate(retireUpdate);
    await now.result();
  });

  // Published it has 29 events: the command comes with those that make the run long enough to carry on.
  it.each([30, 31, 32, 33])('goes on after a command that ends its run (at %i events)', async (maxHistoryEvents) => {
    const { view } = scripted('ends-run');
    const handle = await harness.start(view, { maxHistoryEvents });
    await harness.reach(handle, 'published');
    await handle.executeUpdate(promoteUpdate);
    await harness.reach(handle, 'streaming');
    const latest = harness.client.workflow.getHandle(handle.workflowId);
    await latest.executeUpdate(retireUpdate);
    await latest.result();
  });

  it('deals partitions over shards, and is streaming when all have caught up', async () => {
    const { view, script } = scripted('shards');
    const { answer } = script;
    let secondHasCaughtUp = false;
    script.answer = (input) => {
      const summary = answer(input);
      return summary === null || input.shard === 0 || secondHasCaughtUp ? summary : { ...summary, lag: 1_000_000 };
    };
    const handle = await harness.start(view, { shards: 2, catchUpLag: 5 });
    await handle.executeUpdate(promoteUpdate);
    await eventually(() => script.slices().some((slice) => slice.shard === 0 && slice.until === 'forever'));
    expect((await harness.status(handle)).phase).toBe('catching-up');
    secondHasCaughtUp = true;
    await harness.reach(handle, 'streaming');
    await handle.executeUpdate(retireUpdate);
    await handle.result();
  });

  it('goes above a generation that somebody else has taken', async () => {
    const { view, script } = scripted('superseded');
    const { answer } = script;
    script.answer = (input) =>
      input.generation <= 50
        ? { ended: 'superseded', records: 0, lag: 0, watermarkUs: null, generation: 50 }
        : answer(input);
    const handle = await harness.start(view);
    await handle.executeUpdate(promoteUpdate);
    await harness.reach(handle, 'streaming');
    expect(script.slices()[1]?.generation).toBe(51);
    await handle.executeUpdate(retireUpdate);
    await handle.result();
  });

  describe('proves a promotion', () => {
    const promoted = async (
      name: string,
      proofEntities = 500,
    ): Promise<{ handle: WorkflowHandle; script: ScriptedActivities }> => {
      const { view, script } = scripted(name);
      script.audit = auditSummary({ view });
      const handle = await harness.start(view, { proofEntities });
      await harness.reach(handle, 'published');
      return { handle, script };
    };
    const parityOf = async (handle: WorkflowHandle): Promise<unknown> =>
      (await handle.describe()).searchAttributes['FeatureParity'];
    const retired = async (handle: WorkflowHandle): Promise<LifecycleStatus> => {
      await handle.executeUpdate(retireUpdate);
      return (await handle.result()) as LifecycleStatus;
    };

    it('beside its stream, and streams when the two are equal', async () => {
      const { handle, script } = await promoted('proven');
      await handle.executeUpdate(promoteUpdate);
      const status = await harness.reach(handle, 'streaming');
      expect(status).toMatchObject({
        proof: { verdict: 'equal', cellsCompared: 40, cellsDiffering: 0, auditId: 1, version: 1 },
        parity: { kind: 'promotion', verdict: 'equal' },
      });
      expect(script.named('provePromotion')).toEqual([
        {
          name: 'provePromotion',
          input: { view: status.view, version: 1, fingerprint: 'fingerprint-1', entities: 500 },
        },
      ]);
      expect(await parityOf(handle)).toEqual(['PARITY_OK']);
      // The comparison is kept in the workflow's result.
      expect(await retired(handle)).toMatchObject({ phase: 'retired', proof: { cellsCompared: 40 } });
    });

    it('and with a difference does not stream: fenced, failed, waiting for a retry', async () => {
      const { handle, script } = await promoted('differing');
      script.proof = auditSummary({ verdict: 'broken', cellsDiffering: 2, causes: { 'store-corruption': 1 } });
      await handle.executeUpdate(promoteUpdate);
      const failed = await harness.reach(handle, 'failed');
      expect(failed.error).toMatchObject({ code: 'parity-broken', during: 'proof' });
      expect(failed.error?.message).toContain('2 of 40 cells differ (1 store-corruption)');
      expect(failed).toMatchObject({ version: 1, proof: { verdict: 'broken', cellsDiffering: 2 } });
      expect(await parityOf(handle)).toEqual(['PARITY_BROKEN']);
      const [fence] = script.named('fenceStream');
      const newest = Math.max(...script.slices().map((slice) => slice.generation));
      expect((fence!.input as { generation: number }).generation).toBeGreaterThan(newest);
      script.proof = null;
      await handle.executeUpdate(retryUpdate);
      expect((await harness.reach(handle, 'streaming')).proof).toMatchObject({ verdict: 'equal' });
      expect(await parityOf(handle)).toEqual(['PARITY_OK']);
      await retired(handle);
    });

    it('or builds anew, and proves what it built', async () => {
      const { handle, script } = await promoted('rebuilt');
      script.proof = auditSummary({ verdict: 'broken', cellsDiffering: 2 });
      await handle.executeUpdate(promoteUpdate);
      await harness.reach(handle, 'failed');
      script.proof = null;
      await handle.executeUpdate(rebackfillUpdate);
      const status = await harness.until(handle, ({ version, phase }) => version === 2 && phase === 'streaming');
      expect(status).toMatchObject({ error: null, proof: { version: 2, verdict: 'equal' } });
      await retired(handle);
    });

    it('and says so where the log is not there any more to prove it with', async () => {
      const { handle, script } = await promoted('unprovable');
      script.failing = { provePromotion: scriptedFailure('log-hole') };
      await handle.executeUpdate(promoteUpdate);
      const status = await harness.reach(handle, 'streaming');
      expect(status.proof).toMatchObject({ verdict: 'unproven', reason: 'log-hole: scripted log-hole' });
      expect(status.notice).toContain('Not proven');
      await retired(handle);
    });

    it('waits for a person when the proof itself fails, and streams on meanwhile', async () => {
      const { handle, script } = await promoted('unfinished');
      script.failing = { provePromotion: scriptedFailure('archive-file-damaged') };
      await handle.executeUpdate(promoteUpdate);
      expect((await harness.reach(handle, 'failed')).error).toMatchObject({ code: 'archive-file-damaged' });
      expect(script.named('fenceStream')).toHaveLength(0);
      script.failing = {};
      await handle.executeUpdate(retryUpdate);
      await harness.reach(handle, 'streaming');
      await retired(handle);
    });

    it('not at all where its option is 0, and says that', async () => {
      const { handle, script } = await promoted('off', 0);
      await handle.executeUpdate(promoteUpdate);
      const status = await harness.reach(handle, 'streaming');
      expect(status).toMatchObject({ proof: null, notice: expect.stringContaining('proofEntities') as string });
      expect(script.named('provePromotion')).toHaveLength(0);
      await retired(handle);
    });
  });
});
