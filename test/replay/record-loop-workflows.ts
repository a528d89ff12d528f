/** Histories of the workflows that close the loop: joiners of pairs, rollouts of models, trainings. */
import { setTimeout as delay } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import { nothingKnown } from '../lifecycle/scripted-rollout.ts';
import type { LifecycleHarness } from '../lifecycle/lifecycle-harness.ts';
import { ScriptedActivities, scriptedFailure } from '../lifecycle/scripted-activities.ts';
import { pairsWorkflowId } from '../../workflows/join-pairs/contract.ts';
import { save, scripts } from './recording.ts';

interface Started {
  readonly script: ScriptedActivities;
  readonly handle: WorkflowHandle;
  /** Of the newest run. */
  readonly latest: WorkflowHandle;
  reach(...phases: readonly string[]): Promise<void>;
  /** What came of the first run, and of the last where there were more. */
  save(name: string): Promise<void>;
}

async function started(
  harness: LifecycleHarness,
  type: string,
  workflowId: string,
  subject: string,
  input: object,
  prepare: (script: ScriptedActivities) => void = () => {},
): Promise<Started> {
  const script = new ScriptedActivities(subject);
  prepare(script);
  scripts.set(subject, script);
  const handle = await harness.client.workflow.start(type, {
    workflowId,
    taskQueue: harness.taskQueue,
    args: [input],
    memo: { actor: 'ana@laptop' },
  });
  const { runId } = await handle.describe();
  const latest = harness.client.workflow.getHandle(workflowId);
  return {
    script,
    handle,
    latest,
    reach: async (...phases) => {
      while (!phases.includes((await latest.query<{ phase: string }>('status')).phase)) await delay(50);
    },
    save: async (name) => {
      await save(harness, workflowId, runId, name);
      const last = (await latest.describe()).runId;
      if (last !== runId) await save(harness, workflowId, last, `${name}-last-run`);
    },
  };
}

/** A failure, a pause, slices over two runs, a stop. */
export async function recordPairs(harness: LifecycleHarness): Promise<void> {
  const labelSet = 'late';
  const options = { sliceSeconds: 1, maxHistoryEvents: 60 };
  const id = pairsWorkflowId(labelSet);
  const of = await started(harness, 'joinPairs', id, labelSet, { labelSet, options }, (script) => {
    script.failing = { resolvePairs: scriptedFailure('database-read-only', { waits: true }) };
  });
  await of.reach('waiting');
  of.script.failing = { runPairsSlice: scriptedFailure('pairs-held-full') };
  await of.reach('failed');
  of.script.failing = {};
  await of.latest.executeUpdate('retry');
  await of.reach('joining');
  await of.latest.executeUpdate('pause');
  await of.reach('paused');
  await of.latest.executeUpdate('resume');
  const first = (await of.latest.describe()).runId;
  while ((await of.latest.describe()).runId === first) await delay(50);
  const { length } = of.script.named('runPairsSlice');
  while (of.script.named('runPairsSlice').length < length + 2) await delay(50);
  await of.latest.executeUpdate('stop');
  await of.latest.result();
  await of.save('pairs');
}

const RULE = { decisions: 'd', labels: 'l', metric: { measure: 'log-loss' } };
const BETTER = { isBetter: true };

function rollout(
  harness: LifecycleHarness,
  name: string,
  more: object,
  prepare?: (script: ScriptedActivities) => void,
): Promise<Started> {
  const model = `recorded_${name}`;
  const input = { model, ...RULE, stages: [{ share: 0 }, { share: 0.5 }], options: { evaluateSeconds: 1 }, ...more };
  return started(harness, 'modelRollout', `rollout:${model}`, model, input, prepare);
}

/** Each way a rollout goes, and each it ends. */
export async function recordRollouts(harness: LifecycleHarness): Promise<void> {
  const promoted = await rollout(harness, 'promoted', {
    stages: [{ share: 0 }, { share: 0.1 }, { share: 0.5, approve: true }],
  });
  await promoted.reach('collecting');
  await promoted.latest.executeUpdate('pause');
  await promoted.reach('paused');
  promoted.script.rollout.judgement = () => BETTER;
  const { length } = promoted.script.named('judgeModelRollout');
  while (promoted.script.named('judgeModelRollout').length < length + 2) await delay(50);
  await promoted.latest.executeUpdate('resume');
  await promoted.reach('approval');
  await promoted.latest.executeUpdate('approve');
  await promoted.latest.result();
  await promoted.save('rollout-promoted');

  const breached = await rollout(harness, 'breached', {});
  await breached.reach('collecting');
  const rule = { kind: 'errors', limit: 0.01, segment: null, action: null, points: [] } as const;
  const judgement = { guardrail: 0, worse: { value: 0.3, low: 0.2, high: 0.4, units: 90 }, isBreached: true };
  const breach = { rule, judgement, stage: 0, foundAtMs: 5, firstDecidedUs: 1_000, lastDecidedUs: 2_000 };
  breached.script.rollout.watch.resolve({ ended: 'breached', breach, why: 'guardrail errors' });
  await breached.latest.result();
  await breached.save('rollout-breached');

  const blocked = await rollout(harness, 'blocked', {}, ({ rollout: scripted }) => {
    scripted.judgement = (stage) => ({
      stages: nothingKnown(stage).stages.map((one) => ({ ...one, isRatioMismatch: true })),
    });
  });
  await blocked.reach('blocked');
  await blocked.latest.executeUpdate('return');
  await blocked.latest.result();
  await blocked.save('rollout-blocked');

  const failed = await rollout(harness, 'failed', {}, (script) => {
    script.failing = { openModelRollout: scriptedFailure('database-read-only', { waits: true }) };
  });
  await failed.reach('waiting');
  failed.script.failing = { judgeModelRollout: scriptedFailure('invalid-label') };
  await failed.reach('failed');
  failed.script.rollout.judgement = () => BETTER;
  failed.script.failing = { endModelRollout: scriptedFailure('model-features-changed') };
  await failed.latest.executeUpdate('retry');
  while (failed.script.named('endModelRollout').length < 1) await delay(50);
  await failed.reach('failed');
  failed.script.failing = {};
  await failed.latest.executeUpdate('retry');
  await failed.latest.result();
  await failed.save('rollout-failed');

  const bandit = await rollout(
    harness,
    'bandit',
    { mode: 'bandit', stages: [{ share: 0.5 }], every: '1s', options: { evaluateSeconds: 1, maxHistoryEvents: 60 } },
    ({ rollout: scripted }) => (scripted.judgement = () => ({ bestChances: [0.9, 0.1], banditShare: 0.9 })),
  );
  while (bandit.script.named('watchModelRollout').length < 2) await delay(50);
  const { length: moves } = bandit.script.named('moveModelRollout');
  while (bandit.script.named('moveModelRollout').length < moves + 1) await delay(50);
  await bandit.latest.cancel();
  await bandit.latest.result().catch(() => undefined);
  await bandit.save('rollout-bandit-cancelled');
}

function training(
  harness: LifecycleHarness,
  name: string,
  more: object,
  prepare?: (script: ScriptedActivities) => void,
): Promise<Started> {
  const model = `recorded_${name}`;
  const input = { model, service: 'delay_model', spine: 'labels.parquet', command: ['python', 'train.py'], ...more };
  return started(harness, 'trainModel', `train:${model}`, model, input, prepare);
}

/** Each end of a training. */
export async function recordTrainings(harness: LifecycleHarness): Promise<void> {
  const published = await training(harness, 'published', { as: 'champion' }, (script) => {
    script.failing = { exportForTraining: scriptedFailure('kafka-unreachable', { waits: true }) };
  });
  while ((await published.latest.query<{ waitingFor: unknown }>('status')).waitingFor === null) await delay(50);
  published.script.failing = {};
  await published.reach('awaiting-publish');
  await published.latest.executeUpdate('approve');
  await published.latest.result();
  await published.save('training-published');

  const opened = await training(
    harness,
    'rolled_out',
    { approve: 'before-rollout', rollout: RULE },
    ({ rollout: scripted }) => (scripted.judgement = () => BETTER),
  );
  await opened.reach('awaiting-rollout');
  await opened.latest.executeUpdate('approve');
  await opened.latest.result();
  await opened.save('training-rolled-out');
  const child = harness.client.workflow.getHandle('rollout:recorded_rolled_out');
  await child.result();

  const rejected = await training(harness, 'rejected', { approve: 'before-publish' });
  await rejected.reach('awaiting-publish');
  await rejected.latest.executeUpdate('reject');
  await rejected.latest.result();
  await rejected.save('training-rejected');

  const below = await training(harness, 'below', { minimum: { measure: 'auc', atLeast: 0.7 } }, (script) => {
    script.judgement = { metrics: { auc: 0.5 }, isMet: false, why: 'auc is 0.5, not at least 0.7' };
  });
  await below.latest.result();
  await below.save('training-below-minimum');

  const ofLabels = { spine: undefined, labels: 'late', from: '2026-01-01', to: '2026-02-01' };
  const evaluated = await training(
    harness,
    'evaluated',
    { ...ofLabels, minimum: { measure: 'logLoss', of: 'evaluation', atMost: 0.5 } },
    (script) => {
      script.hasScores = true;
      script.evaluation = { ...script.evaluation, isMet: true, why: 'logLoss is 0.4, at most 0.5' };
    },
  );
  await evaluated.latest.result();
  await evaluated.save('training-evaluated');

  const failed = await training(harness, 'failed', {}, (script) => {
    script.failing = { runTrainingCommand: scriptedFailure('training-command-failed') };
  });
  await failed.latest.result().catch(() => undefined);
  await failed.save('training-failed');

  const cancelled = await training(harness, 'cancelled', {}, (script) => {
    script.training = () => new Promise(() => undefined);
  });
  await cancelled.reach('training');
  while (cancelled.script.named('runTrainingCommand').length < 1) await delay(50);
  await cancelled.latest.cancel();
  await cancelled.latest.result().catch(() => undefined);
  await cancelled.save('training-cancelled');

  const model = 'recorded_scheduled';
  const input = { model, service: 'delay_model', spine: 'labels.parquet', command: 'python train.py' };
  const scheduled = await started(harness, 'trainModel', `train:${model}:scheduled-1`, model, input);
  await scheduled.latest.result();
  await scheduled.save('training-scheduled');
}
