import { Context } from '@temporalio/activity';
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { promoteUpdate, resumeUpdate, retireUpdate } from '../../workflows/feature-lifecycle/contract.ts';
import { eventually, LifecycleHarness, pageOf, uniqueView } from './lifecycle-harness.ts';
import { activitiesOf, ScriptedActivities, scriptedFailure } from './scripted-activities.ts';

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

/** Beats until its activity is cancelled. */
async function untilCancelled(): Promise<never> {
  const { cancelled, heartbeat } = Context.current();
  const beating = setInterval(() => heartbeat(), 50);
  return await cancelled.finally(() => clearInterval(beating));
}

/** Cancels the newest run, and waits for the one that goes on. */
async function cancel(handle: WorkflowHandle): Promise<void> {
  const { runId } = await handle.describe();
  await handle.cancel();
  await eventually(async () => (await handle.describe()).runId !== runId);
}

describe('a lifecycle that is cancelled', () => {
  it('is paused behind a fence by a cancel, and by a second one, says how to retire, and resumes', async () => {
    const { view, script } = scripted('cancelled');
    const handle = await harness.start(view);
    const latest = harness.client.workflow.getHandle(handle.workflowId);
    await latest.executeUpdate(promoteUpdate);
    await harness.reach(handle, 'streaming');
    await cancel(latest);
    const fences = script.named('fenceStream').length;
    expect(fences).toBeGreaterThan(0);
    expect(await harness.status(handle)).toMatchObject({ phase: 'paused', version: 1, promoted: true });
    await cancel(latest);
    const { notice, accepts } = await harness.reach(handle, 'paused');
    expect(notice).toContain(`millrace retire ${view}`);
    expect(await pageOf(latest)).toContain(`millrace retire ${view}`);
    expect(accepts).toEqual(expect.arrayContaining(['resume', 'retire']));
    expect(script.named('retireView')).toEqual([]);
    expect((await latest.executeUpdate(resumeUpdate)).notice).toBeNull();
    await harness.reach(handle, 'streaming');
    expect(script.named('backfillView')).toHaveLength(1);
    await latest.executeUpdate(retireUpdate);
    expect(await latest.result()).toMatchObject({ phase: 'retired' });
    expect(script.named('retireView')).toHaveLength(1);
  });

  it('while it backfills: the build is stopped, and gone on with after a resume', async () => {
    const { view, script } = scripted('cancelled-build');
    script.backfilling = () => untilCancelled();
    const handle = await harness.start(view);
    const latest = harness.client.workflow.getHandle(handle.workflowId);
    await eventually(() => script.named('backfillView').length === 1);
    await cancel(latest);
    await harness.reach(handle, 'paused');
    script.backfilling = null;
    await latest.executeUpdate(resumeUpdate);
    await harness.reach(handle, 'published');
    await latest.executeUpdate(retireUpdate);
    await latest.result();
  });

  it('is not kept from the end of its retirement', async () => {
    const { view, script } = scripted('cancelled-retiring');
    const handle = await harness.start(view);
    await harness.reach(handle, 'published');
    script.failing = { retireView: scriptedFailure('service-unreachable', { waits: true }) };
    await handle.executeUpdate(retireUpdate);
    await eventually(() => script.named('retireView').length > 0);
    await handle.cancel();
    script.failing = {};
    expect(await handle.result()).toMatchObject({ phase: 'retired' });
  });
});
