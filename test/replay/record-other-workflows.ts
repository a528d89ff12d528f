/** Histories of the workflows that are no lifecycle. */
import { setTimeout as delay } from 'node:timers/promises';
import { archiveWorkflowId } from '../../workflows/archive-source/contract.ts';
import { monitorsWorkflowId } from '../../workflows/watch-monitors/contract.ts';
import type { LifecycleHarness } from '../lifecycle/lifecycle-harness.ts';
import { auditSummary, ScriptedActivities, scriptedFailure } from '../lifecycle/scripted-activities.ts';
import { retired, save, scripts } from './recording.ts';

/** Slices, a failure, a pause, a run carried over, a stop. */
export async function recordArchive(harness: LifecycleHarness): Promise<void> {
  const source = 'clicks';
  const script = new ScriptedActivities(source);
  script.failing = { runArchiveSlice: scriptedFailure('archive-not-writable') };
  scripts.set(source, script);
  const workflowId = archiveWorkflowId(source);
  const handle = await harness.client.workflow.start('archiveSource', {
    workflowId,
    taskQueue: harness.taskQueue,
    args: [{ source, options: { sliceSeconds: 1, maxHistoryEvents: 80 } }],
  });
  const latest = harness.client.workflow.getHandle(workflowId);
  const reached = async (wanted: string): Promise<void> => {
    while ((await latest.query<{ phase: string }>('status')).phase !== wanted) await delay(50);
  };
  const { runId } = await handle.describe();
  await reached('failed');
  script.failing = { tendArchive: scriptedFailure('archive-file-damaged') };
  await latest.executeUpdate('retry');
  while (script.named('tendArchive').length < 1) await delay(50);
  script.failing = {};
  await latest.executeUpdate('pause');
  await reached('paused');
  await latest.executeUpdate('resume');
  while ((await latest.describe()).runId === runId) await delay(50);
  while (script.named('runArchiveSlice').length < 8) await delay(50);
  await latest.executeUpdate('stop');
  await latest.result();
  await save(harness, workflowId, runId, 'archive');
  await save(harness, workflowId, (await latest.describe()).runId, 'archive-last-run');
}

/** One that finds a difference and tells the lifecycle; one that has nobody to tell; one of a view nobody is served. */
export async function recordAudit(harness: LifecycleHarness): Promise<void> {
  const view = 'audited';
  const script = new ScriptedActivities(view);
  scripts.set(view, script);
  const lifecycle = await harness.start(view);
  await harness.reach(lifecycle, 'published');
  const audited = async (name: string): Promise<void> => {
    const workflowId = `audit:${view}:${name}`;
    const args = [{ view }];
    await harness.client.workflow.execute('auditParity', { workflowId, taskQueue: harness.taskQueue, args });
    await save(harness, workflowId, undefined, name);
  };
  script.audit = auditSummary({ view, verdict: 'broken', cellsDiffering: 1, causes: { 'store-corruption': 1 } });
  await audited('audit-broken');
  await harness.until(lifecycle, ({ parity }) => parity?.verdict === 'broken');
  await retired(lifecycle);
  await save(harness, lifecycle.workflowId, undefined, 'lifecycle-told-of-audit');
  script.audit = auditSummary({ view });
  await audited('audit-of-no-lifecycle');
  script.audit = { view, verdict: 'not-served', reason: 'it is served to nobody' };
  await audited('audit-not-served');
}

export async function recordExport(harness: LifecycleHarness): Promise<void> {
  const script = new ScriptedActivities('delay_model');
  scripts.set('delay_model', script);
  const workflowId = 'export:delay_model:recorded';
  const handle = await harness.client.workflow.start('exportTrainingSet', {
    workflowId,
    taskQueue: harness.taskQueue,
    args: [{ service: 'delay_model', spine: 'labels.parquet', out: 'train.parquet' }],
  });
  await handle.result();
  await save(harness, workflowId, undefined, 'export-training-set');
}

/** What is due at once, a failure, a run carried over, a stop. */
export async function recordMonitors(harness: LifecycleHarness): Promise<void> {
  const script = new ScriptedActivities('monitors');
  scripts.set('monitors', script);
  const workflowId = monitorsWorkflowId(harness.taskQueue);
  const handle = await harness.client.workflow.start('watchMonitors', {
    workflowId,
    taskQueue: harness.taskQueue,
    args: [{ everySeconds: 1, maxHistoryEvents: 40 }],
  });
  const latest = harness.client.workflow.getHandle(workflowId);
  const { runId } = await handle.describe();
  while (script.named('evaluateDue').length < 2) await delay(50);
  script.failing = { evaluateDue: scriptedFailure('database-went-back') };
  while ((await latest.query<{ phase: string }>('status')).phase !== 'failing') await delay(50);
  script.failing = {};
  while ((await latest.describe()).runId === runId) await delay(50);
  const { length } = script.named('evaluateDue');
  while (script.named('evaluateDue').length < length + 2) await delay(50);
  await latest.executeUpdate('stop');
  await latest.result();
  await save(harness, workflowId, runId, 'monitors');
  await save(harness, workflowId, (await latest.describe()).runId, 'monitors-last-run');
}
