import { setTimeout as delay } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import { appliedSignal, type Command } from '../../workflows/feature-lifecycle/contract.ts';
import type { LifecycleHarness } from '../lifecycle/lifecycle-harness.ts';
import type { ScriptedActivities } from '../lifecycle/scripted-activities.ts';

/** What is applied is approved, rolled back, approved again, discarded, and approved by itself. */
export async function walkCandidates(
  harness: LifecycleHarness,
  handle: WorkflowHandle,
  script: ScriptedActivities,
): Promise<void> {
  const send = async (command: Command): Promise<void> => void (await handle.executeUpdate(command));
  const apply = async (applyNumber: number, more: { approval?: 'auto' } = {}): Promise<void> => {
    const fingerprint = `fingerprint-${applyNumber}`;
    script.plan = { ...script.plan, fingerprint };
    await handle.signal(appliedSignal, { applyNumber, fingerprint, ...more });
  };
  await harness.reach(handle, 'published');
  await send('promote');
  await harness.reach(handle, 'streaming');
  await apply(2);
  await harness.until(handle, ({ candidate }) => candidate?.isCaughtUp === true);
  await send('approve');
  await send('rollback');
  await send('approve');
  await apply(3);
  await harness.until(handle, ({ candidate }) => candidate?.isCaughtUp === true);
  await send('discard');
  while (script.named('dropVersion').length < 1) await delay(50);
  await apply(4, { approval: 'auto' });
  await harness.until(handle, ({ version, previous }) => version === 4 && previous?.version === 2);
  while (script.named('dropVersion').length < 2) await delay(50);
  await send('retire');
  await handle.result();
}
