import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { brokerClock } from '../../config/broker-clock.ts';
import { REWARDS } from '../../demo/loop/evaluate-june.ts';
import { EXAMPLE, runProgram } from '../../demo/loop/example-project.ts';
import { Timeline } from '../../demo/loop/june.ts';
import { writeClock } from '../../demo/loop/june-replay.ts';
import { isBetterThanBase, isShown, type LoopFigures, touchedShare } from '../../demo/loop/loop-figures.ts';
import { TouchedUnits } from '../../demo/loop/touched-units.ts';
import { rewardOf } from '../../engine/evaluation/costs.ts';

const FIGURES: LoopFigures = {
  logLossBase: 0.6,
  logLossA: 0.52,
  logLossB: 0.51,
  chosen: 'B',
  rollout: { candidate: 2, end: 'promoted', why: 'better', stages: 2 },
  guardrail: { candidate: 3, end: 'returned', why: 'scores', stages: 1 },
  guardrailUnitsShare: 0.01,
  guardrailUnits: 500,
  opeEstimate: -0.6,
  opeInterval: [-0.7, -0.5],
  opeActual: -0.6,
  opeActualInterval: [-0.7, -0.5],
  opeBroken: { estimate: null, interval: null, actual: -1, actualInterval: [-2, 0], refusal: 'few' },
  decisions: 1,
  outcomes: 1,
  labelsMature: 1,
  labelsImmature: 0,
  seconds: 1,
};

describe('the loop succeeds', () => {
  it('where the model that stands in the end tells more than the base rate, whichever it is', () => {
    expect(isBetterThanBase(FIGURES)).toBe(true);
    expect(isBetterThanBase({ ...FIGURES, logLossB: 0.6 })).toBe(false);
    expect(isBetterThanBase({ ...FIGURES, logLossB: Number.NaN })).toBe(false);
    expect(isBetterThanBase({ ...FIGURES, chosen: 'A', logLossB: 0.7 })).toBe(true);
    expect(isBetterThanBase({ ...FIGURES, chosen: 'A', logLossA: 0.7 })).toBe(false);
  });

  it('where the good one was promoted and the broken one returned', () => {
    expect(isShown(FIGURES)).toBe(true);
    expect(isShown({ ...FIGURES, logLossB: 0.61 })).toBe(false);
    expect(isShown({ ...FIGURES, rollout: { ...FIGURES.rollout, end: 'returned' } })).toBe(false);
    expect(isShown({ ...FIGURES, guardrail: { ...FIGURES.guardrail!, end: 'promoted' } })).toBe(false);
    expect(isShown({ ...FIGURES, guardrail: null })).toBe(false);
  });
});

describe('units that a version touched', () => {
  it('are counted once each, of all units', () => {
    expect(touchedShare(new Set(['a', 'b']), new Set(['a', 'b', 'c', 'd']))).toBe(0.5);
    expect(touchedShare(new Set(), new Set())).toBe(0);
    const touched = new TouchedUnits();
    const decided = (unit: string, version: number) => ({
      flight_id: unit,
      decision_id: `d${unit}`,
      action: 'none',
      probability: 0.1,
      version,
    });
    touched.add([decided('a', 1), decided('b', 3), decided('c', 1)]);
    touched.add([decided('b', 3), decided('d', 2)]);
    expect(touched.of(3)).toBe(1);
    expect(touched.shareOf(3)).toBe(0.25);
    expect(touched.shareOf(9)).toBe(0);
  });
});

describe('a timeline', () => {
  it('gives what is before a time, once, in order', () => {
    const timeline = new Timeline([10, 20, 20, 30].map((atUs) => ({ atUs, value: atUs })));
    const values = (untilUs: number): number[] => timeline.before(untilUs).map(({ value }) => value);
    expect(values(10)).toEqual([]);
    expect(values(20)).toEqual([10]);
    expect(values(30)).toEqual([20, 20]);
    expect(timeline.taken).toBe(3);
    expect(values(31)).toEqual([30]);
    expect(values(99)).toEqual([]);
  });
});

describe('the replay', () => {
  it('tells the time as whoever takes a cut reads it, and leaves nothing half written', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-loop-clock-'));
    try {
      const file = join(folder, 'clock');
      for (const nowUs of [991_353_600_000_000, 991_355_400_000_000]) {
        await writeClock(file, nowUs);
        expect(brokerClock(file).nowUs()).toBe(nowUs);
        expect(readFileSync(file, 'utf8')).toBe(String(nowUs));
      }
      expect(existsSync(`${file}.next`)).toBe(false);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("rewards what the example's policy spares: the same figures in both", () => {
    const program = `import { COSTS } from ${JSON.stringify(join(EXAMPLE, 'policy.mjs'))}; console.log(JSON.stringify(COSTS));`;
    const printed = execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
    const costs = JSON.parse(printed) as Record<string, Record<string, number>>;
    expect(Object.keys(costs).sort()).toEqual(['none', 'warn']);
    for (const [action, byLabel] of Object.entries(costs))
      for (const [label, cost] of Object.entries(byLabel))
        expect(rewardOf(REWARDS, action, Number(label)) + cost).toBe(0);
  });
});

it('says what a program of the example ended with, and that it was no success', async () => {
  const heard: string[] = [];
  const program = "console.log('half done'); process.exitCode = 3;";
  const run = runProgram(tmpdir(), '-e', [program], (line) => heard.push(line), new AbortController().signal);
  await expect(run).rejects.toMatchObject({
    code: 'program-failed',
    message: expect.stringContaining('half done') as string,
  });
  expect(heard).toEqual(['half done']);
});
