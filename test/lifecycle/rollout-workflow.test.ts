import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import {
  approveRolloutUpdate,
  type EndRolloutInput,
  type MoveRolloutInput,
  pauseRolloutUpdate,
  rejectRolloutUpdate,
  resumeRolloutUpdate,
  retryRolloutUpdate,
  returnRolloutUpdate,
  type RolloutStatus,
  rolloutStatusQuery,
} from '../../workflows/model-rollout/contract.ts';
import { eventually, LifecycleHarness, pageOf, uniqueView } from './lifecycle-harness.ts';
import { activitiesOf, ScriptedActivities, scriptedFailure } from './scripted-activities.ts';
import { nothingKnown } from './scripted-rollout.ts';

let harness: LifecycleHarness;
const scripts = new Map<string, ScriptedActivities>();
beforeAll(async () => {
  harness = await LifecycleHarness.open(inject('stack'));
  await harness.startWorker(activitiesOf(scripts));
});
afterAll(() => harness.close());

const better = { isBetter: true };

async function start(
  name: string,
  prepare: (script: ScriptedActivities) => void = () => {},
  of: object = {},
): Promise<{ model: string; script: ScriptedActivities; handle: WorkflowHandle }> {
  const model = uniqueView(name);
  const script = new ScriptedActivities(model);
  prepare(script);
  scripts.set(model, script);
  const handle = await harness.client.workflow.start('modelRollout', {
    workflowId: `rollout:${model}`,
    taskQueue: harness.taskQueue,
    args: [
      {
        model,
        decisions: 'd',
        labels: 'l',
        metric: { measure: 'log-loss' },
        stages: [{ share: 0 }, { share: 0.1 }, { share: 0.5 }],
        options: { evaluateSeconds: 1 },
        ...of,
      },
    ],
  });
  return { model, script, handle };
}

async function until(handle: WorkflowHandle, condition: (status: RolloutStatus) => boolean): Promise<RolloutStatus> {
  return await eventually(async () => {
    const status = await harness.client.workflow.getHandle(handle.workflowId).query(rolloutStatusQuery);
    return condition(status) && status;
  });
}

const moves = (script: ScriptedActivities) =>
  script.named('moveModelRollout').map(({ input }) => {
    const { expected, stage, share, actor } = input as MoveRolloutInput;
    return { expected, stage, share, actor };
  });
const end = (script: ScriptedActivities) => script.named('endModelRollout').at(-1)?.input as EndRolloutInput;

describe('modelRollout', () => {
  it('goes from shadow through its shares to everyone, on evidence', async () => {
    const { model, script, handle } = await start('promotes', ({ rollout }) => (rollout.judgement = () => better));
    const status = (await handle.result()) as RolloutStatus;
    expect(status).toMatchObject({ model, phase: 'promoted', share: 1, candidate: 2, against: 1, accepts: [] });
    expect(moves(script)).toEqual([
      { expected: 1, stage: 1, share: 0.1, actor: 'evidence' },
      { expected: 2, stage: 2, share: 0.5, actor: 'evidence' },
    ]);
    expect(end(script)).toMatchObject({
      how: 'promoted',
      actor: 'evidence',
      rollout: expect.stringMatching(`^${model}:`) as string,
    });
    expect(status.steps.map(({ share }) => share)).toEqual([0, 0.1, 0.5, 1]);
    expect(script.named('watchModelRollout')).toHaveLength(1);
    expect((await handle.describe()).searchAttributes).toMatchObject({
      RolloutModel: [model],
      RolloutPhase: ['promoted'],
    });
    expect(await pageOf(handle)).toContain(`### rollout of ${model}: promoted`);
  });

  it('asks a person where it is to, and goes by what they say', async () => {
    const stages = [{ share: 0.1, approve: true }];
    const yes = await start('approves', ({ rollout }) => (rollout.judgement = () => better), { stages });
    const asking = await until(yes.handle, ({ phase }) => phase === 'approval');
    expect(asking.accepts).toEqual(['approve', 'reject', 'pause', 'return', 'finish']);
    await yes.handle.executeUpdate(approveRolloutUpdate, { args: [{ actor: 'ana' }] as never });
    expect(await yes.handle.result()).toMatchObject({ phase: 'promoted' });
    expect(end(yes.script)).toMatchObject({ how: 'promoted', actor: 'ana' });
    const no = await start('rejects', ({ rollout }) => (rollout.judgement = () => better), { stages });
    await until(no.handle, ({ phase }) => phase === 'approval');
    await no.handle.executeUpdate(rejectRolloutUpdate);
    expect(await no.handle.result()).toMatchObject({ phase: 'returned', because: 'rejected by temporal-ui' });
  });

  it('returns everyone where the watch found a guardrail breached, and says which, where and since when', async () => {
    const { script, handle } = await start('breached');
    await until(handle, ({ phase }) => phase === 'collecting');
    const rule = { kind: 'errors', limit: 0.01, segment: 'origin=LAS', action: null, points: [] } as const;
    const judgement = { guardrail: 0, worse: { value: 0.3, low: 0.2, high: 0.4, units: 90 }, isBreached: true };
    const breach = { rule, judgement, stage: 0, foundAtMs: 5, firstDecidedUs: 1_000, lastDecidedUs: 2_000 };
    script.rollout.watch.resolve({ ended: 'breached', breach, why: 'guardrail errors on origin=LAS' });
    expect(await handle.result()).toMatchObject({
      phase: 'returned',
      because: 'guardrail errors on origin=LAS',
      breach,
    });
    expect(end(script)).toMatchObject({ how: 'returned', actor: 'guardrail' });
    expect(await pageOf(handle)).toContain('**Breached**: errors on origin=LAS');
  });

  it('blocks where units were lost by variant, says what it lacks, and is returned by a person', async () => {
    const { handle, script } = await start('blocked', ({ rollout }) => {
      rollout.judgement = (stage) => {
        const { stages } = nothingKnown(stage);
        return { ...better, stages: stages.map((one) => ({ ...one, isRatioMismatch: true })) };
      };
    });
    await until(handle, ({ phase }) => phase === 'blocked');
    script.rollout.judgement = () => ({
      lacks: 'no unit has met the candidate yet',
      combined: null,
      stages: nothingKnown(0, 0).stages,
    });
    await until(handle, ({ because }) => because === 'no unit has met the candidate yet');
    await handle.executeUpdate(returnRolloutUpdate);
    expect(await handle.result()).toMatchObject({ phase: 'returned' });
    expect(moves(script)).toEqual([]);
  });

  it('stays where it is while it is paused', async () => {
    const { handle, script } = await start('pauses', ({ rollout }) => (rollout.judgement = () => ({})));
    await until(handle, ({ phase }) => phase === 'collecting');
    expect((await handle.executeUpdate(pauseRolloutUpdate)).phase).toBe('paused');
    script.rollout.judgement = () => better;
    const looks = script.named('judgeModelRollout').length;
    await eventually(() => script.named('judgeModelRollout').length >= looks + 2);
    expect(moves(script)).toEqual([]);
    await handle.executeUpdate(resumeRolloutUpdate);
    expect(await handle.result()).toMatchObject({ phase: 'promoted' });
  });

  it('gives a bandit new shares', async () => {
    const { handle, script } = await start(
      'bandit',
      ({ rollout }) => (rollout.judgement = () => ({ bestChances: [0.9, 0.1], banditShare: 0.9 })),
      { mode: 'bandit', stages: [{ share: 0.5 }], every: '1s' },
    );
    await eventually(() => moves(script).length >= 2);
    expect(moves(script)[0]).toEqual({ expected: 1, stage: 0, share: 0.9, actor: 'bandit' });
    await handle.cancel();
    await expect(handle.result()).rejects.toMatchObject({ cause: expect.any(CancelledFailure) as object });
    expect(end(script)).toMatchObject({ how: 'returned', actor: 'cancel' });
  });

  it('waits for a person where a look fails, and tries again', async () => {
    const { handle, script } = await start('fails', (prepared) => {
      prepared.failing = { judgeModelRollout: scriptedFailure('invalid-label') };
      prepared.rollout.judgement = () => better;
    });
    const failed = await until(handle, ({ phase }) => phase === 'failed');
    expect(failed).toMatchObject({ error: { code: 'invalid-label' }, accepts: ['pause', 'retry', 'return', 'finish'] });
    script.failing = { endModelRollout: scriptedFailure('model-features-changed') };
    await handle.executeUpdate(retryRolloutUpdate);
    // It cannot be promoted: nothing is undone, and somebody is asked.
    await until(handle, ({ error }) => error?.code === 'model-features-changed');
    script.failing = {};
    await handle.executeUpdate(retryRolloutUpdate);
    expect(await handle.result()).toMatchObject({ phase: 'promoted' });
  });

  it('goes on in a new run, with its watch', async () => {
    const { handle, script } = await start('carries', undefined, {
      options: { evaluateSeconds: 1, maxHistoryEvents: 40 },
    });
    await eventually(() => script.named('watchModelRollout').length >= 2);
    script.rollout.judgement = () => better;
    const latest = harness.client.workflow.getHandle(handle.workflowId);
    expect(await latest.result()).toMatchObject({ phase: 'promoted' });
    expect(script.named('openModelRollout')).toHaveLength(1);
  });

  it.each(['unknown-label-set', 'unknown-model', 'invalid-rollout', 'rollout-open'])(
    'ends with %s, so that its id is free again',
    async (code) => {
      const { handle } = await start('ends', (prepared) => {
        prepared.failing = { openModelRollout: scriptedFailure(code) };
      });
      const error: unknown = await handle.result().catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(WorkflowFailedError);
      expect((error as WorkflowFailedError).cause).toMatchObject({ type: code });
    },
  );

  it('refuses a second start, a command out of turn and a wrong form', async () => {
    const { handle, model } = await start('twice');
    await until(handle, ({ phase }) => phase === 'collecting');
    await expect(
      harness.client.workflow.start('modelRollout', {
        workflowId: handle.workflowId,
        taskQueue: harness.taskQueue,
        args: [{ model }],
      }),
    ).rejects.toMatchObject({ name: 'WorkflowExecutionAlreadyStartedError' });
    await expect(handle.executeUpdate(approveRolloutUpdate)).rejects.toMatchObject({
      cause: { type: 'command-refused', message: 'approve: no stage waits for it' },
    });
    await handle.executeUpdate(returnRolloutUpdate);
    await handle.result();
    const wrong = await start('wrong', undefined, { metric: {} });
    const error: unknown = await wrong.handle.result().catch((caught: unknown) => caught);
    expect((error as WorkflowFailedError).cause).toBeInstanceOf(ApplicationFailure);
    expect((error as WorkflowFailedError).cause).toMatchObject({ type: 'invalid-input' });
  });
});
