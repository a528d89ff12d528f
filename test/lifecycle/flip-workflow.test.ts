import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { pauseUpdate, rebackfillUpdate, retireUpdate } from '../../workflows/feature-lifecycle/contract.ts';
import type { Activities } from '../../activities/create-activities.ts';
import { eventually, LifecycleHarness, uniqueView } from './lifecycle-harness.ts';
import { activitiesOf, ScriptedActivities } from './scripted-activities.ts';

/** Activities whose flips take effect, and whose answers a test holds back or loses. */
class Flips {
  readonly script: ScriptedActivities;
  flips = 0;
  /** What comes of a flip that took effect. */
  afterwards: () => Promise<void> = async () => {};

  constructor(view: string) {
    this.script = new ScriptedActivities(view);
  }

  activities(): Activities {
    return {
      ...this.script.activities(),
      flipView: async ({ version }) => {
        this.flips++;
        const { plan } = this.script;
        this.script.plan = {
          ...plan,
          live: { version, fingerprint: plan.fingerprint, rows: 1, entities: 1, publishedAtMs: 1 },
        };
        await this.afterwards();
      },
    };
  }
}

let harness: LifecycleHarness;
const views = new Map<string, Flips>();
beforeAll(async () => {
  harness = await LifecycleHarness.open(inject('stack'));
  await harness.startWorker(activitiesOf(views));
});
afterAll(() => harness.close());

/** A view whose first version is served, and whose second one is being built. */
async function rebuilding(
  name: string,
  afterwards: Flips['afterwards'],
): Promise<{ handle: WorkflowHandle; flips: Flips }> {
  const view = uniqueView(name);
  const flips = new Flips(view);
  views.set(view, flips);
  const handle = await harness.start(view);
  await harness.reach(handle, 'published');
  flips.afterwards = afterwards;
  await handle.executeUpdate(rebackfillUpdate);
  await eventually(() => flips.flips === 2);
  return { handle, flips };
}

function lost(nonRetryable: boolean): ApplicationFailure {
  return ApplicationFailure.create({ message: 'the answer was lost', type: 'unexpected-error', nonRetryable });
}

it('a pause while readers are being flipped, by a worker that dies of it, leaves no version that nobody knows of', async () => {
  const { promise: dead, reject: die } = Promise.withResolvers<void>();
  let isFirst = true;
  const { handle } = await rebuilding('paused-flip', async () => {
    if (!isFirst) return;
    isFirst = false;
    await dead;
  });
  await handle.executeUpdate(pauseUpdate);
  die(lost(false));
  const status = await harness.until(handle, ({ version }) => version === 2);
  expect(status.error).toBeNull();
  expect(await harness.reach(handle, 'paused')).toMatchObject({ version: 2, error: null });
  await handle.executeUpdate(retireUpdate);
  await handle.result();
});

it('a flip whose answer is lost for good is looked up', async () => {
  const { handle } = await rebuilding('lost-flip', async () => {
    throw lost(true);
  });
  const status = await harness.until(handle, ({ version }) => version === 2);
  expect(status).toMatchObject({ phase: 'published', error: null });
  await handle.executeUpdate(retireUpdate);
  await handle.result();
});
