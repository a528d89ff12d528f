/** A model is rolled out, and another one trained, by forms and updates of the Temporal Web UI alone. */
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createActivities } from '../../activities/create-activities.ts';
import { startFormUrl, workflowUrl } from '../../cli/with-temporal.ts';
import { modelAliases, modelVersions } from '../../engine/postgres/model-versions.ts';
import { rolloutOf, rolloutRevisions } from '../../engine/postgres/rollouts.ts';
import { type RolloutStatus, rolloutStatusQuery } from '../../workflows/model-rollout/contract.ts';
import { eventually, LifecycleHarness } from '../lifecycle/lifecycle-harness.ts';
import { MemoryLog } from '../models/memory-log.ts';
import { type ModelWorld, openModelWorld } from '../models/model-world.ts';
import { TRAINS, TrainingWorld } from '../models/training-world.ts';
import { FLAT, type Fleet, GOOD, openFleet } from '../rollouts/rollout-fleet.ts';
import { publishVersions } from '../rollouts/rollout-world.ts';
import { details, detailsSay, isLeftOut, launchBrowser, newPage, sendUpdate, startByForm } from './temporal-ui.ts';

const TIMEOUT_MS = 480_000;
const SUITE = randomUUID().slice(0, 8);
const SCREENSHOT = fileURLToPath(new URL('../../docs/images/rollout-in-temporal-ui.png', import.meta.url));

const stack = inject('stack');
const temporal = { address: stack.temporalAddress, namespace: stack.temporalNamespace, uiUrl: stack.temporalUiUrl };
let browser: Browser | null = null;
const closers: (() => Promise<void>)[] = [];
beforeAll(async () => {
  if (!isLeftOut) browser = await launchBrowser();
});
afterAll(async () => {
  await browser?.close();
  for (const close of closers.toReversed()) await close();
});

/** A tab, and the page of the workflow that its form starts. */
async function startInTab(
  type: string,
  id: string,
  input: object,
  taskQueue: string,
): Promise<{ tab: Page; url: string }> {
  const tab = await newPage(browser!);
  await startByForm(tab, startFormUrl(temporal, taskQueue, type), { type, id, input, taskQueue });
  return { tab, url: workflowUrl(temporal, id) };
}

describe.skipIf(isLeftOut)('in the Temporal Web UI', { timeout: TIMEOUT_MS }, () => {
  it('a rollout is started, its evidence seen, its stage approved, and the candidate promoted', async () => {
    const { world, fleet, harness } = await openRolloutWorld();
    const model = `late_${SUITE}`;
    await publishVersions(world, new MemoryLog(), model);
    const id = `rollout:${model}`;
    const input = {
      model,
      candidate: 2,
      decisions: 'choices',
      labels: 'late',
      metric: { measure: 'log-loss' },
      stages: [{ share: 0.3, minUnits: 200, smallestEffect: 0.01, approve: true }],
      guardrails: [{ kind: 'errors', limit: 0.05 }],
      segments: ['origin'],
      observe: '0s',
      options: { evaluateSeconds: 1 },
    };
    const { tab, url } = await startInTab('modelRollout', id, input, harness.taskQueue);
    await detailsSay(tab, url, `rollout of ${model}: collecting`);
    await details(tab).getByText('version 2').first().waitFor();

    const handle = harness.client.workflow.getHandle(id);
    const status = (): Promise<RolloutStatus> => handle.query(rolloutStatusQuery);
    const rollout = await eventually(() => rolloutOf(world.pool, model));
    while ((await status()).phase !== 'approval') {
      await fleet.decide(rollout, { candidate: GOOD, against: FLAT }, 300);
      const { judgement } = await status();
      await eventually(async () => (await status()).judgement?.evaluatedAtMs !== judgement?.evaluatedAtMs);
    }
    await detailsSay(tab, url, `rollout of ${model}: approval`);
    await details(tab)
      .getByText(/All stages together/)
      .waitFor();
    await details(tab).getByText('approve: Go on to the next stage').waitFor();
    expect(await modelAliases(world.pool, model)).toMatchObject([{ alias: 'champion', version: 1 }]);
    if (process.env['MILLRACE_SCREENSHOT'] === '1') await tab.screenshot({ path: SCREENSHOT });

    await sendUpdate(tab, 'approve');
    expect(await handle.result()).toMatchObject({ phase: 'promoted' });
    await detailsSay(tab, url, `rollout of ${model}: promoted`);
    expect(await modelAliases(world.pool, model)).toMatchObject([{ alias: 'champion', version: 2, previous: 1 }]);
    const revisions = await rolloutRevisions(world.pool, rollout.id);
    expect(revisions.map(({ phase, actor }) => [phase, actor])).toEqual([
      ['open', 'temporal-ui'],
      ['promoted', 'temporal-ui'],
    ]);
  });

  it('a model is trained by a command, seen to wait, and published once that is approved', async () => {
    const world = await TrainingWorld.open(stack);
    closers.push(() => world.close());
    const { pool, taskQueue } = world.clicks;
    const model = `trained_${SUITE}`;
    const input = world.input(model, world.script('trained', TRAINS), {
      approve: 'before-publish',
      as: 'champion',
      minimum: { measure: 'logLoss', betterThan: 'base-rate' },
    });
    const { tab, url } = await startInTab('trainModel', `train:${model}`, input, taskQueue);
    await detailsSay(tab, url, `Training of ${model}: awaiting-publish`);
    await details(tab).getByText('epoch 3').first().waitFor();
    expect(await modelVersions(pool, model)).toEqual([]);

    await sendUpdate(tab, 'approve');
    await detailsSay(tab, url, `Training of ${model}: published`);
    expect(await modelVersions(pool, model)).toMatchObject([{ version: 1, actor: 'temporal-ui' }]);
    expect(await modelAliases(pool, model)).toMatchObject([{ alias: 'champion', version: 1 }]);
  });
});

async function openRolloutWorld(): Promise<{ world: ModelWorld; fleet: Fleet; harness: LifecycleHarness }> {
  const world = await openModelWorld(stack.databaseUrl);
  closers.push(() => world.close());
  const fleet = await openFleet(stack, world, SUITE);
  closers.push(() => fleet.close());
  const harness = await LifecycleHarness.open(stack);
  closers.push(() => harness.close());
  await harness.startWorker(createActivities(fleet.deps));
  return { world, fleet, harness };
}
