/** What is told of a rollout, of what is kept of it; and what a rollout is started with on the command line. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { rolloutInput } from '../../cli/rollouts/rollout-input.ts';
import { rolloutPage } from '../../engine/evaluation/rollout-page.ts';
import { rolloutReport } from '../../engine/evaluation/rollout-report.ts';
import { EvidenceSums } from '../../engine/evidence/evidence-sums.ts';
import { putLook } from '../../engine/postgres/rollout-evidence.ts';
import { NOVELTY } from '../../engine/rollouts/fold-novelty.ts';
import { endRollout } from '../../engine/rollouts/steer-rollouts.ts';
import { nothingKnown } from '../lifecycle/scripted-rollout.ts';
import { MemoryLog } from '../models/memory-log.ts';
import { type ModelWorld, openModelWorld } from '../models/model-world.ts';
import { openIt, publishVersions } from './rollout-world.ts';

let world: ModelWorld;
let folder: string;
beforeAll(async () => {
  world = await openModelWorld(inject('stack').databaseUrl);
  folder = await mkdtemp(join(tmpdir(), 'millrace-rollout-'));
});
afterAll(async () => {
  await world.close();
  await rm(folder, { recursive: true });
});

const RULE = {
  alpha: 0.05,
  stages: [{ minUnits: 20 }],
  guardrails: [],
  metric: { measure: 'score', better: 'higher' },
};

describe('the report of a rollout', () => {
  it("has its course, and the effect by days since a unit's first exposure", async () => {
    await publishVersions(world, new MemoryLog(), 'novel');
    const { id } = await openIt(world, 'novel');
    const sums = new EvidenceSums();
    const observe = (day: number, variant: string, mean: number): void => {
      for (let unit = 0; unit < 200; unit++)
        sums.observe({
          metric: NOVELTY,
          stage: day,
          variant,
          segments: [],
          value: mean + (unit % 2 === 0 ? 0.01 : -0.01),
        });
    };
    for (const [day, mean] of [0.9, 0.5].entries()) {
      observe(day, 'candidate', mean);
      observe(day, 'against', 0.4);
    }
    await putLook(world.pool, id, { cells: sums.cells(), rule: RULE, judgement: nothingKnown(0) });
    await endRollout({ pool: world.pool, id, phase: 'returned', actor: 'ana', why: 'enough was seen' });
    const report = await rolloutReport(world.pool, 'novel');
    expect(report.course.map(({ phase, why }) => [phase, why])).toEqual([
      ['open', 'started'],
      ['returned', 'enough was seen'],
    ]);
    expect(report.novelty.map(({ day, candidateUnits }) => [day, candidateUnits])).toEqual([
      [0, 200],
      [1, 200],
    ]);
    expect(report.novelty[0]!.difference!.value).toBeCloseTo(0.5, 10);
    expect(report.novelty[1]!.difference!.value).toBeCloseTo(0.1, 10);
    expect(report.novelty[1]!.difference!.low).toBeGreaterThan(0);
    const page = await rolloutPage(report);
    expect(page).toContain('by days since a unit first met its variant');
    expect(page.match(/<svg/g)!.length).toBeGreaterThanOrEqual(2);
    expect(page).toContain('enough was seen');
  });

  it('of a model without one is `unknown-rollout`', async () => {
    await expect(rolloutReport(world.pool, 'none')).rejects.toMatchObject({ code: 'unknown-rollout' });
  });
});

describe('a start form on the command line', () => {
  it("is the file's, with what options say in its place", async () => {
    const path = join(folder, 'rollout.json');
    await writeFile(
      path,
      JSON.stringify({ labels: 'late', candidate: 2, metric: { measure: 'brier' }, stages: [{ share: 0 }] }),
    );
    expect(
      await rolloutInput('late_flights', { input: path, candidate: '3', decisions: 'd', better: 'lower' }),
    ).toEqual({
      model: 'late_flights',
      candidate: 3,
      decisions: 'd',
      labels: 'late',
      metric: { measure: 'brier', better: 'lower' },
      stages: [{ share: 0 }],
    });
    expect(await rolloutInput('m', { against: 'champion', measure: 'label' })).toEqual({
      model: 'm',
      against: 'champion',
      metric: { measure: 'label' },
    });
  });

  it('is one JSON object', async () => {
    const path = join(folder, 'wrong.json');
    await writeFile(path, '[1]');
    await expect(rolloutInput('m', { input: path })).rejects.toMatchObject({ code: 'bad-options' });
    await expect(rolloutInput('m', { input: join(folder, 'none') })).rejects.toMatchObject({ code: 'bad-options' });
  });
});
