import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { AuditInput, AuditResultSummary } from '../../workflows/audit-parity/contract.ts';
import { retireUpdate } from '../../workflows/feature-lifecycle/contract.ts';
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
  script.audit = auditSummary({ view });
  scripts.set(view, script);
  return { view, script };
}

async function started(input: unknown, view: string): Promise<WorkflowHandle> {
  return await harness.client.workflow.start('auditParity', {
    workflowId: uniqueView(`audit:${view}:test`),
    taskQueue: harness.taskQueue,
    args: [input],
  });
}

async function audited(input: AuditInput): Promise<AuditResultSummary> {
  return (await (await started(input, input.view)).result()) as AuditResultSummary;
}

const parityOf = async (handle: WorkflowHandle): Promise<unknown> =>
  (await handle.describe()).searchAttributes['FeatureParity'];

describe('auditParity', () => {
  it('tells the lifecycle of a difference, and of a recovery', async () => {
    const { view, script } = scripted('told');
    const lifecycle = await harness.start(view);
    await harness.reach(lifecycle, 'published');
    script.audit = auditSummary({
      view,
      auditId: 4,
      verdict: 'broken',
      cellsDiffering: 1,
      causes: { 'store-corruption': 1 },
    });
    const handle = await started({ view }, view);
    // A difference is a result, and not a failure of the workflow.
    expect(await handle.result()).toMatchObject({ verdict: 'broken', cellsDiffering: 1 });
    expect(script.named('auditView')[0]?.input).toEqual({ view, reads: 100_000, entities: 10_000 });
    expect(await parityOf(handle)).toEqual(['PARITY_BROKEN']);
    const status = await harness.until(lifecycle, ({ parity }) => parity !== null);
    expect(status).toMatchObject({ phase: 'published', parity: { auditId: 4, verdict: 'broken', cellsDiffering: 1 } });
    await eventually(async () => JSON.stringify(await parityOf(lifecycle)) === '["PARITY_BROKEN"]');

    script.audit = auditSummary({ view, auditId: 5 });
    // A look at fewer entities proves nothing of those it did not look at.
    await audited({ view, entities: 5 });
    expect((await harness.status(lifecycle)).parity?.auditId).toBe(4);
    await audited({ view });
    await harness.until(lifecycle, ({ parity }) => parity?.verdict === 'equal');
    await eventually(async () => JSON.stringify(await parityOf(lifecycle)) === '["PARITY_OK"]');
    await lifecycle.executeUpdate(retireUpdate);
    await lifecycle.result();
  });

  it('needs no lifecycle', async () => {
    const { view } = scripted('alone');
    expect(await audited({ view, reads: 5, entities: 0 })).toMatchObject({ verdict: 'equal', cellsCompared: 40 });
  });

  it('comes to a result where nothing is served, so that a schedule does not fail for ever', async () => {
    const { view, script } = scripted('gone');
    script.audit = { view, verdict: 'not-served', reason: 'it is served to nobody' };
    const handle = await started({ view }, view);
    expect(await handle.result()).toEqual({ view, verdict: 'not-served', reason: 'it is served to nobody' });
    expect(await parityOf(handle)).toBeUndefined();
  });

  it.each([
    [{}, '"view" must be a non-empty string'],
    [{ view: 'x', colour: 1 }, 'unknown field "colour"'],
    [{ view: 'x', entities: -1 }, '"entities" must be a whole number of at least 0'],
    [[], 'expected one JSON object'],
  ])('ends at once when started with %j', async (input, message) => {
    const handle = await started(input, 'input');
    const error: unknown = await handle.result().catch((caught: unknown) => caught);
    expect(String((error as WorkflowFailedError).cause)).toContain(message);
  });

  it('is put on the queue again where a worker of the release before took it', async () => {
    const { view, script } = scripted('other-release');
    script.failing = { auditView: scriptedFailure('definition-changed', {}) };
    const handle = await started({ view }, view);
    await eventually(() => script.named('auditView').length >= 2);
    script.failing = {};
    expect(await handle.result()).toMatchObject({ verdict: 'equal' });
    // A worker of this release means what it says.
    script.failing = { auditView: scriptedFailure('definition-changed') };
    const { length } = script.named('auditView');
    await expect((await started({ view }, view)).result()).rejects.toThrow(WorkflowFailedError);
    expect(script.named('auditView')).toHaveLength(length + 1);
  });
});
