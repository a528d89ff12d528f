import { WorkflowFailedError } from '@temporalio/client';
import { CancelledFailure } from '@temporalio/common';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import {
  type EvaluateInput,
  type MonitorsInput,
  type MonitorsStatus,
  monitorsStatusQuery,
  monitorsWorkflowId,
  stopMonitorsUpdate,
} from '../../workflows/watch-monitors/contract.ts';
import { eventually, LifecycleHarness } from './lifecycle-harness.ts';
import { activitiesOf, ScriptedActivities, scriptedFailure } from './scripted-activities.ts';

let harness: LifecycleHarness;
const scripts = new Map<string, ScriptedActivities>();
beforeAll(async () => {
  harness = await LifecycleHarness.open(inject('stack'));
  await harness.startWorker(activitiesOf(scripts));
});
afterAll(() => harness.close());

async function start(input: MonitorsInput): Promise<ScriptedActivities> {
  const script = new ScriptedActivities('monitors');
  scripts.set('monitors', script);
  const workflowId = monitorsWorkflowId(harness.taskQueue);
  await harness.client.workflow.start('watchMonitors', { workflowId, taskQueue: harness.taskQueue, args: [input] });
  return script;
}

const latest = () => harness.client.workflow.getHandle(monitorsWorkflowId(harness.taskQueue));
const until = (condition: (status: MonitorsStatus) => boolean): Promise<MonitorsStatus> =>
  eventually(async () => {
    const status = await latest().query(monitorsStatusQuery);
    return condition(status) && status;
  });

describe('watchMonitors', { timeout: 120_000 }, () => {
  it('evaluates what is due at once, then each minute; says what failed and goes on; carries over, and stops', async () => {
    const script = await start({
      everySeconds: 1,
      clock: 'watermark',
      watchFrom: '2026-06-01T00:00Z',
      maxHistoryEvents: 30,
    });
    const { runId } = await latest().describe();
    await until(({ buckets }) => buckets >= 2);
    const [first, second] = script.named('evaluateDue').map(({ input }) => input as EvaluateInput);
    expect(first).toMatchObject({
      clock: 'watermark',
      allowedLatenessMs: 300_000,
      watchFromMs: Date.parse('2026-06-01T00:00Z'),
    });
    expect(second!.generation).toBeGreaterThanOrEqual(first!.generation);
    script.failing = { evaluateDue: scriptedFailure('database-went-back') };
    const failing = await until(({ phase }) => phase === 'failing');
    expect(failing.error).toMatchObject({ code: 'database-went-back', remedy: 'mend database-went-back' });
    script.failing = {};
    await until(({ phase, error }) => phase === 'watching' && error === null);
    await eventually(async () => (await latest().describe()).runId !== runId);
    // What was counted goes on in the next run.
    const counted = await until(({ buckets }) => buckets > 3);
    expect(await latest().executeUpdate(stopMonitorsUpdate)).toMatchObject({ phase: 'stopped' });
    const ended = (await latest().result()) as MonitorsStatus;
    expect(ended.phase).toBe('stopped');
    expect(ended.buckets).toBeGreaterThanOrEqual(counted.buckets);
  });

  it('ends as cancelled, and refuses what is no input', async () => {
    await start({ everySeconds: 60 });
    await until(({ buckets }) => buckets >= 2);
    await latest().cancel();
    const ended = await latest()
      .result()
      .catch((error: unknown) => error);
    expect(ended).toBeInstanceOf(WorkflowFailedError);
    expect((ended as WorkflowFailedError).cause).toBeInstanceOf(CancelledFailure);
    for (const input of [{ clock: 'sun' }, { watchFrom: 'soon' }, { everySeconds: 0 }, { other: 1 }]) {
      await start(input as never);
      const failed = (await latest()
        .result()
        .catch((error: unknown) => error)) as WorkflowFailedError;
      expect(failed.cause).toMatchObject({ type: 'invalid-input' });
    }
  });
});
