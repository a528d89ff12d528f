/** `trainModel` on a real Temporal, over scripted activities: its order, its gates, its ends. */
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { type MetricMeter, noopMetricMeter } from '@temporalio/common';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { TrainingGauges } from '../../activities/training-gauges.ts';
import { scheduleTraining, unscheduleTraining } from '../../cli/training/train-schedule.ts';
import { installationOfQueue } from '../../engine/installation/installation-names.ts';
import type { TrainInput, TrainStatus } from '../../workflows/train-model/contract.ts';
import { eventually, LifecycleHarness, pageOf, uniqueView } from './lifecycle-harness.ts';
import { activitiesOf, ScriptedActivities, scriptedFailure } from './scripted-activities.ts';

let harness: LifecycleHarness;
const scripts = new Map<string, ScriptedActivities>();
beforeAll(async () => {
  harness = await LifecycleHarness.open(inject('stack'));
  await harness.startWorker(activitiesOf(scripts));
});
afterAll(() => harness.close());

function scripted(name: string): { readonly model: string; readonly script: ScriptedActivities } {
  const model = uniqueView(name);
  const script = new ScriptedActivities(model);
  scripts.set(model, script);
  return { model, script };
}

async function started(model: string, more: Partial<TrainInput> = {}, id = `train:${model}`): Promise<WorkflowHandle> {
  const input = { model, service: 'delay_model', spine: 'labels.parquet', command: ['python', 'train.py'], ...more };
  return await harness.client.workflow.start('trainModel', {
    workflowId: id,
    taskQueue: harness.taskQueue,
    args: [input],
    memo: { actor: 'ana@laptop' },
  });
}

const status = (handle: WorkflowHandle): Promise<TrainStatus> => handle.query('status');
const reached = (handle: WorkflowHandle, phase: string): Promise<TrainStatus> =>
  eventually(async () => {
    const now = await status(handle);
    return now.phase === phase && now;
  });
const STEPS = [
  'checkTraining',
  'exportForTraining',
  'runTrainingCommand',
  'judgeTraining',
  'publishTrained',
  'endTraining',
];
const called = (script: ScriptedActivities): string[] => script.calls.map(({ name }) => name);

async function failed(handle: WorkflowHandle): Promise<{ readonly type?: string; readonly message: string }> {
  const error: unknown = await handle.result().then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(WorkflowFailedError);
  const { cause } = error as WorkflowFailedError;
  return (cause?.cause ?? cause) as { readonly type?: string; readonly message: string };
}

describe('trainModel', { timeout: 120_000 }, () => {
  it('exports, trains, judges and publishes, and tells of each', async () => {
    const { model, script } = scripted('whole');
    const handle = await started(model, { minimum: { measure: 'logLoss', atMost: 1 } });
    script.judgement = { metrics: { logLoss: 0.4 }, isMet: true, why: 'logLoss is 0.4, at most 1' };
    const result = (await handle.result()) as TrainStatus;
    expect(result).toMatchObject({
      model,
      phase: 'published',
      set: { rows: 100 },
      command: { tail: ['done'] },
      judgement: { isMet: true },
      published: { version: 7, alias: 'challenger' },
      rollout: null,
      error: null,
      accepts: [],
    });
    expect(called(script)).toEqual(STEPS);
    expect(Object.keys(result.seconds)).toEqual(['check', 'export', 'train', 'judge', 'publish']);
    const { runId } = await handle.describe();
    expect(result.run).toBe(`trainings/${model}/${runId}`);
    expect(script.named('publishTrained')[0]?.input).toEqual({
      model,
      run: runId,
      service: 'delay_model',
      hasMetrics: true,
      alias: 'challenger',
      actor: 'ana@laptop',
    });
    expect(script.named('endTraining')[0]?.input).toMatchObject({ model, outcome: 'published', code: null });
    expect(script.noted).toMatchObject([
      { actor: 'ana@laptop', action: 'train', subject: model, input: { service: 'delay_model', approve: 'never' } },
      { actor: 'ana@laptop', action: 'train end', result: { outcome: 'published', version: 7, error: null } },
    ]);
    expect((await handle.describe()).searchAttributes).toMatchObject({
      TrainingModel: [model],
      TrainingPhase: ['published'],
    });
    expect(await pageOf(handle)).toContain(`### Training of ${model}: published`);
  });

  it('goes on for who approves, before it publishes', async () => {
    const { model, script } = scripted('approved');
    const handle = await started(model, { as: 'champion' });
    expect(await reached(handle, 'awaiting-publish')).toMatchObject({
      accepts: ['approve', 'reject'],
      published: null,
    });
    expect(await pageOf(handle)).toContain('waits for somebody to approve that it is published');
    await handle.executeUpdate('approve', { args: [{ actor: 'ben' }] });
    expect(await handle.result()).toMatchObject({ phase: 'published', published: { alias: 'champion' } });
    expect(script.named('publishTrained')[0]?.input).toMatchObject({ actor: 'ben', alias: 'champion' });
    expect(script.noted.map(({ action, actor }) => [action, actor])).toEqual([
      ['train', 'ana@laptop'],
      ['approve', 'ben'],
      ['train end', 'ana@laptop'],
    ]);
  });

  it('ends where it is rejected, and where the model is below its minimum: both are results', async () => {
    const [no, below] = [scripted('rejected'), scripted('below')];
    const rejected = await started(no.model, { approve: 'before-publish' });
    await reached(rejected, 'awaiting-publish');
    await rejected.executeUpdate('reject', { args: [{ actor: 'ben' }] });
    expect(await rejected.result()).toMatchObject({ phase: 'rejected', published: null });
    below.script.judgement = { metrics: { auc: 0.5 }, isMet: false, why: 'auc is 0.5, not at least 0.7' };
    const handle = await started(below.model, { minimum: { measure: 'auc', atLeast: 0.7 }, as: 'champion' });
    expect(await handle.result()).toMatchObject({ phase: 'below-minimum', published: null });
    expect(await pageOf(handle)).toContain('| minimum not met | auc is 0.5, not at least 0.7 |');
    for (const { script } of [no, below])
      expect(called(script)).toEqual(STEPS.filter((name) => name !== 'publishTrained'));
  });

  it('evaluates what wrote scores of decisions; a version below its minimum then is published and goes no further', async () => {
    const { model, script } = scripted('evaluated');
    script.hasScores = true;
    script.evaluation = {
      ...script.evaluation,
      isMet: false,
      why: 'logLoss is 0.4, not better than that of the champion',
    };
    const minimum = { measure: 'logLoss', of: 'evaluation', betterThan: 'champion' } as const;
    const of = {
      spine: undefined,
      labels: 'late',
      from: '2026-01-01',
      to: 'now',
      rollout: {},
      approve: 'never',
    } as const;
    const handle = await started(model, { ...of, minimum });
    expect(await handle.result()).toMatchObject({
      phase: 'below-minimum',
      published: { version: 7 },
      rollout: null,
      evaluated: { rows: 9 },
    });
    expect(called(script)).toEqual([...STEPS.slice(0, 5), 'evaluateTrained', 'endTraining']);
    expect(script.named('judgeTraining')[0]?.input).toMatchObject({ minimum: null });
    expect(script.named('evaluateTrained')[0]?.input).toMatchObject({
      version: 7,
      labels: 'late',
      minimum,
      rows: { from: '2026-01-01' },
    });
    expect(await pageOf(handle)).toContain(
      '| minimum not met | logLoss is 0.4, not better than that of the champion |',
    );
  });

  it('refuses what nothing waits for: command-refused', async () => {
    const { model, script } = scripted('refusing');
    script.training = () => new Promise(() => undefined);
    const handle = await started(model);
    await reached(handle, 'training');
    await expect(handle.executeUpdate('approve')).rejects.toMatchObject({ cause: { type: 'command-refused' } });
    await handle.cancel();
    await expect(handle.result()).rejects.toThrow(WorkflowFailedError);
  });

  it('fails by the name of what failed, gives back what it took, and says so', async () => {
    const { model, script } = scripted('failing');
    script.failing = { runTrainingCommand: scriptedFailure('training-command-failed') };
    const handle = await started(model);
    expect(await failed(handle)).toMatchObject({ type: 'training-command-failed' });
    expect(await status(handle)).toMatchObject({
      phase: 'failed',
      error: { code: 'training-command-failed', during: 'train', remedy: 'mend training-command-failed' },
    });
    expect(script.named('endTraining')[0]?.input).toMatchObject({ outcome: 'failed', code: 'training-command-failed' });
    expect(script.noted.at(-1)).toMatchObject({
      action: 'train end',
      result: { outcome: 'failed', error: 'training-command-failed' },
    });
    expect(await pageOf(handle)).toContain('**Error `training-command-failed`** during train');
  });

  it('that is cancelled has its command ended, and gives back what it took', async () => {
    const { model, script } = scripted('cancelled');
    const heard = Promise.withResolvers<void>();
    script.training = async (signal) =>
      await new Promise((_, reject) =>
        signal.addEventListener('abort', () => {
          heard.resolve();
          reject(signal.reason as Error);
        }),
      );
    const handle = await started(model);
    await reached(handle, 'training');
    await handle.cancel();
    await heard.promise;
    await expect(handle.result()).rejects.toThrow(WorkflowFailedError);
    expect((await handle.describe()).status.name).toBe('CANCELLED');
    expect(await status(handle)).toMatchObject({ phase: 'cancelled', error: null });
    expect(script.named('endTraining')[0]?.input).toMatchObject({ outcome: 'cancelled', code: null });
  });

  it('waits for what passes, and says what for', async () => {
    const { model, script } = scripted('waiting');
    script.failing = { publishTrained: scriptedFailure('kafka-unreachable', { waits: true }) };
    const handle = await started(model);
    const waiting = await eventually(async () => (await status(handle)).waitingFor);
    expect(waiting).toMatchObject({ code: 'kafka-unreachable' });
    expect(await pageOf(handle)).toContain('(`kafka-unreachable`)');
    script.failing = {};
    expect(await handle.result()).toMatchObject({ phase: 'published', waitingFor: null });
  });

  it('of another id, or of a wrong input, is refused at once', async () => {
    const { model } = scripted('wrong');
    expect(await failed(await started(model, {}, `mine:${model}`))).toMatchObject({ type: 'workflow-id-mismatch' });
    expect(await failed(await started(model, { split: 2 }))).toMatchObject({ type: 'invalid-input' });
  });

  it('of a schedule starts the one training of its model, and is skipped while one goes on', async () => {
    const { model, script } = scripted('scheduled');
    const at = (time: string): string => `train:${model}:scheduled-2026-06-02T${time}:00:00Z`;
    const first = await started(model, { approve: 'before-publish' }, at('00'));
    const own = harness.client.workflow.getHandle(`train:${model}`);
    await eventually(() => script.named('judgeTraining').length === 1);
    await reached(own, 'awaiting-publish');
    const second = await started(model, { approve: 'before-publish' }, at('01'));
    expect(await second.result()).toMatchObject({
      model,
      phase: 'skipped',
      reason: expect.stringContaining('still under way') as string,
    });
    expect(await pageOf(second)).toContain('skipped');
    await own.executeUpdate('approve');
    expect(await first.result()).toMatchObject({ phase: 'published' });
    expect(script.named('publishTrained')).toHaveLength(1);
    expect(script.noted.find(({ action }) => action === 'train')?.actor).toBe('ana@laptop');
    // Cancelled, it takes the training along.
    const third = await started(model, { approve: 'before-publish' }, at('02'));
    await eventually(async () => (await own.describe()).status.name === 'RUNNING');
    await reached(own, 'awaiting-publish');
    await third.cancel();
    await expect(third.result()).rejects.toThrow(WorkflowFailedError);
    expect((await own.describe()).status.name).toBe('CANCELLED');
  });

  it('is told as metrics: how many failed in a row, how old the newest model is, how often there is to be one', async () => {
    const { model, script } = scripted('measured');
    const shown = new Map<string, number>();
    const meter = meterTo((name, value, labels) => labels['model'] === model && shown.set(name, value));
    const gauges = new TrainingGauges({
      client: harness.client,
      installation: installationOfQueue(harness.taskQueue),
      meter,
    });
    const looked = async (wanted: Readonly<Record<string, unknown>>): Promise<void> => {
      await eventually(async () => {
        await gauges.look();
        return Object.entries(wanted).every(([name, value]) => shown.get(name) === value);
      });
    };
    await (await started(model)).result();
    await looked({ millrace_training_failures: 0 });
    expect(shown.get('millrace_training_age_seconds')).toBeGreaterThan(0);
    expect(shown.has('millrace_training_interval_seconds')).toBe(false);
    script.failing = { exportForTraining: scriptedFailure('unknown-view') };
    for (const _ of [1, 2]) await failed(await started(model));
    await looked({ millrace_training_failures: 2 });
    const input = { model, service: 's', spine: 'l.csv', command: 'make' };
    await scheduleTraining(harness.client, input, { everyMs: 7_200_000 }, harness.taskQueue);
    await looked({ millrace_training_interval_seconds: 7_200 });
    await unscheduleTraining(harness.client, model);
    await looked({ millrace_training_interval_seconds: 0 });
    script.failing = {};
    await (await started(model)).result();
    await looked({ millrace_training_failures: 0 });
  });
});

/** A meter whose gauges tell `set`. */
function meterTo(set: (name: string, value: number, labels: Readonly<Record<string, unknown>>) => void): MetricMeter {
  return Object.create(noopMetricMeter, {
    createGauge: {
      value: (name: string) => ({
        ...noopMetricMeter.createGauge(name),
        set: (value: number, labels = {}) => set(name, value, labels),
      }),
    },
  }) as MetricMeter;
}
