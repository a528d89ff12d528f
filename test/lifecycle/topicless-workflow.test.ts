import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import {
  appliedSignal,
  approveUpdate,
  type BackfillInput,
  refreshUpdate,
  retireUpdate,
} from '../../workflows/feature-lifecycle/contract.ts';
import { LifecycleHarness, uniqueView } from './lifecycle-harness.ts';
import { activitiesOf, ScriptedActivities } from './scripted-activities.ts';

let harness: LifecycleHarness;
const scripts = new Map<string, ScriptedActivities>();
beforeAll(async () => {
  harness = await LifecycleHarness.open(inject('stack'));
  await harness.startWorker(activitiesOf(scripts));
});
afterAll(() => harness.close());

it('a view without a topic is refreshed by its own definition while another waits, which is then built of the same log', async () => {
  const view = uniqueView('untopical');
  const script = new ScriptedActivities(view);
  script.plan = { ...script.plan, topic: null };
  scripts.set(view, script);
  const handle = harness.client.workflow.getHandle((await harness.start(view)).workflowId);
  const { fingerprint: own } = await harness.reach(handle, 'published');
  script.plan = { ...script.plan, fingerprint: 'fingerprint-2' };
  await handle.signal(appliedSignal, { applyNumber: 2, fingerprint: 'fingerprint-2' });
  await harness.until(handle, ({ candidate }) => candidate?.version === 2);
  await handle.executeUpdate(refreshUpdate);
  const status = await harness.until(handle, ({ version, candidate }) => version === 3 && candidate?.version === 4);
  expect(status).toMatchObject({ fingerprint: own, candidate: { fingerprint: 'fingerprint-2' }, error: null });
  expect(script.named('backfillView').map(({ input }) => (input as BackfillInput).fingerprint)).toEqual([
    own,
    'fingerprint-2',
    own,
    'fingerprint-2',
  ]);
  await handle.executeUpdate(approveUpdate, { args: [{ version: 4 }] });
  await harness.until(handle, ({ version }) => version === 4);
  await handle.executeUpdate(retireUpdate);
  await handle.result();
});
