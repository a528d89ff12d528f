/** Whole rollouts over a real Kafka, Postgres and Temporal: synthetic services that go by the row, and nothing else. */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createActivities } from '../../activities/create-activities.ts';
import type { RolloutReport } from '../../engine/evaluation/rollout-report.ts';
import { pointAlias } from '../../engine/models/steer-models.ts';
import { modelAliases } from '../../engine/postgres/model-versions.ts';
import { rolloutBreach, rolloutEvidence, rolloutLook } from '../../engine/postgres/rollout-evidence.ts';
import { type Rollout, rolloutById, rolloutOf, rolloutRevisions } from '../../engine/postgres/rollouts.ts';
import { returnRolloutUpdate, type RolloutStatus, rolloutStatusQuery } from '../../workflows/model-rollout/contract.ts';
import { runCli } from '../cli/run-cli.ts';
import { eventually, LifecycleHarness } from '../lifecycle/lifecycle-harness.ts';
import { MemoryLog } from '../models/memory-log.ts';
import { type ModelWorld, openModelWorld } from '../models/model-world.ts';
import { FLAT, type Fleet, GOOD, openFleet, type Policy } from './rollout-fleet.ts';
import { publishVersions } from './rollout-world.ts';

const TIMEOUT_MS = 500_000;
const SUITE = randomUUID().slice(0, 8);

let world: ModelWorld;
let fleet: Fleet;
let harness: LifecycleHarness;
beforeAll(async () => {
  world = await openModelWorld(inject('stack').databaseUrl);
  fleet = await openFleet(inject('stack'), world, SUITE);
  harness = await LifecycleHarness.open(inject('stack'));
  await harness.startWorker(createActivities(fleet.deps));
}, TIMEOUT_MS);
afterAll(async () => {
  await harness.close();
  await fleet.close();
  await world.close();
});

async function start(name: string, of: object): Promise<{ model: string; handle: WorkflowHandle }> {
  const model = `${name}_${SUITE}`;
  await publishVersions(world, new MemoryLog(), model);
  const handle = await harness.client.workflow.start('modelRollout', {
    workflowId: `rollout:${model}`,
    taskQueue: harness.taskQueue,
    args: [
      {
        model,
        candidate: 2,
        decisions: 'choices',
        labels: 'late',
        metric: { measure: 'log-loss' },
        segments: ['origin'],
        observe: '0s',
        options: { evaluateSeconds: 1 },
        ...of,
      },
    ],
  });
  return { model, handle };
}

const opened = (model: string): Promise<Rollout> => eventually(() => rolloutOf(world.pool, model));
const statusOf = (handle: WorkflowHandle): Promise<RolloutStatus> =>
  harness.client.workflow.getHandle(handle.workflowId).query(rolloutStatusQuery);

/** Decides batch after batch by the state there is, until the workflow has ended. */
async function decideOn(
  { model, handle }: { readonly model: string; readonly handle: WorkflowHandle },
  policies: Readonly<Record<string, Policy>>,
): Promise<RolloutStatus> {
  const ended = handle.result() as Promise<RolloutStatus>;
  await opened(model);
  for (;;) {
    const rollout = await rolloutOf(world.pool, model);
    if (rollout === null) break;
    await fleet.decide(rollout, policies, 300);
    const { judgement } = await statusOf(handle);
    // The next batch when this one was looked at.
    await Promise.race([
      ended,
      eventually(async () => (await statusOf(handle)).judgement?.evaluatedAtMs !== judgement?.evaluatedAtMs),
    ]);
  }
  return await ended;
}

/** What commands say of the rollout that was promoted. */
async function isReported(model: string): Promise<void> {
  const html = join(world.folder, 'rollout.html');
  const variables = { DATABASE_URL: world.database.url, TEMPORAL_ADDRESS: inject('stack').temporalAddress };
  const namespaced = { ...variables, TEMPORAL_NAMESPACE: inject('stack').temporalNamespace };
  const run = async (...args: string[]): Promise<string> => {
    const { exitCode, stdout, stderr } = await runCli(['rollout', ...args], namespaced);
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
    return stdout;
  };
  const report = JSON.parse(await run('report', model, '--html', html, '--json')) as RolloutReport;
  expect(report).toMatchObject({
    rollout: { model, phase: 'promoted' },
    judgement: { isBetter: true },
    breach: null,
    course: [{ stage: 0, shadow: true }, { stage: 1 }, { phase: 'promoted', actor: 'evidence' }],
  });
  const page = await readFile(html, 'utf8');
  expect(page).toContain(`<h1>rollout of ${model}</h1>`);
  expect(page).toContain('<h2>stages</h2>');
  expect(page).toContain('<svg');
  expect(await run('list', model)).toContain('promoted');
  const shown = await run('show', model);
  expect(shown).toContain(`rollout of ${model}: promoted, stage 2 of 2: `);
  expect(shown).toContain('all stages together');
}

describe('a rollout on evidence', () => {
  it('takes a better candidate from shadow to everyone', { timeout: TIMEOUT_MS }, async () => {
    const stages = [
      { share: 0, minUnits: 200 },
      { share: 0.3, minUnits: 200, smallestEffect: 0.01 },
    ];
    const started = await start('better', { stages });
    const status = await decideOn(started, { candidate: GOOD, against: FLAT });
    expect(status).toMatchObject({ phase: 'promoted', candidate: 2, against: 1 });
    const { combined, stages: judged } = status.judgement!;
    // Log loss of what knows is about 0.55, of the base rate 0.69.
    expect(combined!.value).toBeLessThan(-0.05);
    expect(combined!.high!).toBeLessThan(0);
    expect(judged[0]!.units).toBeGreaterThanOrEqual(200);
    expect(judged[1]).toMatchObject({ isRatioMismatch: false, mixed: 0 });
    expect(await modelAliases(world.pool, started.model)).toMatchObject([
      { alias: 'champion', version: 2, previous: 1 },
    ]);
    const revisions = await rolloutRevisions(world.pool, status.rollout!);
    expect(revisions.map(({ phase, stage, actor }) => [phase, stage, actor])).toEqual([
      ['open', 0, expect.any(String)],
      ['open', 1, 'evidence'],
      ['promoted', 1, 'evidence'],
    ]);
    expect((await rolloutEvidence(world.pool, status.rollout!)).length).toBeGreaterThan(5);
    expect(await rolloutLook(world.pool, status.rollout!)).toMatchObject({ judgement: { isBetter: true } });
    await isReported(started.model);
  });

  it('returns a broken candidate by a guardrail before any label is looked at', { timeout: TIMEOUT_MS }, async () => {
    const stages = [{ share: 0.3, minUnits: 100 }];
    const guardrails = [{ kind: 'errors', limit: 0.05, segment: 'origin=LAS' }];
    const { model, handle } = await start('broken', { stages, guardrails, options: { evaluateSeconds: 3_600 } });
    const rollout = await opened(model);
    const broken: Policy = { ...FLAT, error: 'features-missing' };
    await fleet.decide(rollout, { candidate: broken, against: FLAT }, 600);
    const status = (await handle.result()) as RolloutStatus;
    expect(status).toMatchObject({
      phase: 'returned',
      breach: { rule: { kind: 'errors', segment: 'origin=LAS' }, stage: 0 },
    });
    expect(status.because).toMatch(
      /^guardrail errors on origin=LAS: worse by 1, at least \d\S*, of \d+ units; borne is 0.05; candidate since 20/,
    );
    expect(await rolloutById(world.pool, rollout.id)).toMatchObject({
      phase: 'returned',
      variants: [{ share: 0 }, { share: 1 }],
    });
    expect((await rolloutBreach(world.pool, rollout.id))!.why).toBe(status.because);
    expect(await modelAliases(world.pool, model)).toMatchObject([{ alias: 'champion', version: 1 }]);
  });

  it('blocks where decisions of one variant are lost', { timeout: TIMEOUT_MS }, async () => {
    const { model, handle } = await start('lossy', { stages: [{ share: 0.5, minUnits: 100, smallestEffect: 1 }] });
    const rollout = await opened(model);
    const both = { candidate: GOOD, against: FLAT };
    await fleet.decide(rollout, both, 600, (variant, { uniform }) => variant === 'candidate' && uniform() < 0.4);
    const status = await eventually(async () => {
      const now = await statusOf(handle);
      return now.phase === 'blocked' && now;
    });
    expect(status.because).toMatch(
      /units were lost by variant: \d+ have the candidate and \d+ what is there, of a share of 0.5/,
    );
    expect(status.judgement!.stages[0]!.ratioP).toBeLessThan(0.001);
    await handle.executeUpdate(returnRolloutUpdate);
    expect(await handle.result()).toMatchObject({ phase: 'returned' });
  });

  it('waits where nothing is decided, and returns where its candidate disappears', {
    timeout: TIMEOUT_MS,
  }, async () => {
    const { model, handle } = await start('nothing', { stages: [{ share: 0.5 }] });
    await eventually(async () => (await statusOf(handle)).because.startsWith('no decision of this stage'));
    await world.pool.query(
      `UPDATE millrace_catalog.model_version SET state = 'rolled-back' WHERE model = '${model}' AND version = 2`,
    );
    expect(await handle.result()).toMatchObject({
      phase: 'returned',
      because: 'the candidate, version 2, was rolled back',
    });
  });

  it('returns everyone where somebody moves the champion: units of what was there would keep it', {
    timeout: TIMEOUT_MS,
  }, async () => {
    const { model, handle } = await start('moved', { stages: [{ share: 0.5 }] });
    await opened(model);
    await pointAlias({ pool: world.pool, model, alias: 'champion', version: 2, actor: 'bo@desk' });
    expect(await handle.result()).toMatchObject({
      phase: 'returned',
      because: expect.stringContaining('the champion was moved from version 1 to version 2 by bo@desk') as string,
    });
  });

  it('is ended by hand where its workflow was terminated, and another one starts', {
    timeout: TIMEOUT_MS,
  }, async () => {
    const { kafkaBrokers, temporalAddress, temporalNamespace } = inject('stack');
    const variables = {
      DATABASE_URL: world.database.url,
      KAFKA_BROKERS: kafkaBrokers.join(','),
      TEMPORAL_ADDRESS: temporalAddress,
      TEMPORAL_NAMESPACE: temporalNamespace,
      MILLRACE_ACTOR: 'ana',
    };
    const end = (model: string, ...args: string[]) => runCli(['rollout', 'end', model, ...args], variables);
    const stages = [{ share: 0.5 }];
    const { model, handle } = await start('orphaned', { stages });
    const { id } = await opened(model);
    expect(await end(model, '--reason', 'no use')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(/error rollout-runs: .*\n.*millrace rollout return/) as string,
    });
    await handle.terminate('by hand');
    const again = await harness.client.workflow.start('modelRollout', {
      workflowId: handle.workflowId,
      taskQueue: harness.taskQueue,
      args: [{ model, candidate: 2, decisions: 'choices', labels: 'late', metric: { measure: 'log-loss' }, stages }],
    });
    await expect(again.result()).rejects.toMatchObject({
      cause: {
        type: 'rollout-open',
        message: expect.stringContaining(`rollout "${id}" is open`) as string,
        details: [
          expect.objectContaining({
            remedy: expect.stringContaining(`millrace rollout end ${model} --reason`) as string,
          }),
        ],
      },
    });
    expect(await end(model)).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('--reason') as string });
    expect(await end(model, '--reason', ' ')).toMatchObject({
      stderr: expect.stringContaining('bad-options') as string,
    });
    expect(await end(model, '--reason', 'terminated', '--dry-run')).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining(`would end rollout "${id}"`) as string,
    });
    expect(await rolloutById(world.pool, id)).toMatchObject({ phase: 'open' });
    expect(await end(model, '--reason', 'its workflow was terminated')).toMatchObject({ exitCode: 0 });
    expect(await rolloutById(world.pool, id)).toMatchObject({
      phase: 'stopped',
      variants: [{ share: 0 }, { share: 1 }],
    });
    expect((await rolloutRevisions(world.pool, id)).at(-1)).toMatchObject({
      actor: 'ana',
      why: 'its workflow was terminated',
    });
    expect(await end(model, '--reason', 'again')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('unknown-rollout') as string,
    });
    const next = await harness.client.workflow.start('modelRollout', {
      workflowId: handle.workflowId,
      taskQueue: harness.taskQueue,
      args: [{ model, candidate: 2, decisions: 'choices', labels: 'late', metric: { measure: 'log-loss' }, stages }],
    });
    await opened(model);
    await next.terminate('by hand');
    expect(await end(model, '--to', 'candidate', '--reason', 'it was better')).toMatchObject({ exitCode: 0 });
    expect(await modelAliases(world.pool, model)).toMatchObject([{ alias: 'champion', version: 2, previous: 1 }]);
  });
});
