import { describe, expect, test } from 'vitest';
import { EvidenceSums } from '../../engine/evidence/evidence-sums.ts';
import { DIFFERENCE, METRIC, WEIGHTED } from '../../engine/rollouts/fold-units.ts';
import { judge, type JudgeInput } from '../../engine/rollouts/judge.ts';
import type { GuardrailRule, RolloutRule, StageRule } from '../../engine/rollouts/rollout-rule.ts';
import type { TellableInterval } from '../../engine/rollouts/judgement.ts';
import { emptyTally } from '../../engine/rollouts/stage-counts.ts';
import { seededRandom } from '../statistics/seeded-random.ts';
import { simulationSeeds } from '../statistics/simulation.ts';

const stage = (share: number, of: Partial<StageRule> = {}): StageRule => ({
  share,
  minUnits: 100,
  minTimeMs: 0,
  smallestEffect: 0.1,
  approve: false,
  ...of,
});
const metricGuard = (of: Partial<GuardrailRule> = {}): GuardrailRule => ({
  kind: 'metric',
  limit: 0,
  segment: null,
  action: null,
  points: [],
  ...of,
});
const RULE: RolloutRule = {
  metric: { measure: 'log-loss', better: 'lower' },
  stages: [stage(0), stage(0.1), stage(0.5)],
  guardrails: [],
  segments: ['origin'],
  observeUs: 0,
  alpha: 0.05,
  mode: 'stages',
  floor: 0.05,
};
const units = (exposed: number, observed = exposed) => ({ exposed, observed, waiting: exposed - observed, nothing: 0 });

interface Told {
  readonly stage: number;
  readonly variant: string;
  readonly segments?: readonly string[];
  readonly metric?: string;
  readonly values: readonly number[];
}

function judged(rule: RolloutRule, at: number, told: readonly Told[], of: Partial<JudgeInput> = {}) {
  const sums = new EvidenceSums();
  for (const { values, segments = [], metric = METRIC, ...key } of told)
    for (const value of values) sums.observe({ metric, ...key, segments, value });
  const counts = (index: number, variant: string): number =>
    told.reduce((sum, one) => sum + (one.stage === index && one.variant === variant ? one.values.length : 0), 0);
  const stages = rule.stages.map((_, index) => ({
    ...emptyTally(index),
    candidate: units(counts(index, 'candidate')),
    against: units(counts(index, 'against')),
    paired: counts(index, DIFFERENCE),
  }));
  const labels = { decisions: 0, mature: 0, immature: 0 };
  return judge({ rule, stage: at, evidence: { sums, stages }, asOfUs: 0, labels, matureAfterUs: 3_600_000_000, ...of });
}

const around = (mean: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => mean + (index % 2 === 0 ? 0.05 : -0.05));

describe('the evidence of a rollout', () => {
  test('is read in the direction that is good, over all stages', () => {
    const told = [
      { stage: 0, variant: DIFFERENCE, values: around(-0.2, 400) },
      { stage: 1, variant: 'candidate', values: around(0.3, 100) },
      { stage: 1, variant: 'against', values: around(0.5, 900) },
    ];
    const lower = judged(RULE, 1, told);
    expect(lower).toMatchObject({ isBetter: true, isWorse: false, isNotWorse: true, lacks: null });
    expect(lower.combined!.value).toBeCloseTo(-0.2, 10);
    expect(lower.combined!.units).toBe(400 + 360);
    expect(lower.stages[1]).toMatchObject({ units: 360, isRatioMismatch: false });
    const higher = judged({ ...RULE, metric: { measure: 'score', better: 'higher' } }, 1, told);
    expect(higher).toMatchObject({ isBetter: false, isWorse: true, isNotWorse: false });
  });

  test('says nothing before a tenth of the least sample', () => {
    const few = judged(RULE, 1, [
      { stage: 1, variant: 'candidate', values: around(0, 3) },
      { stage: 1, variant: 'against', values: around(9, 3) },
    ]);
    expect(few).toMatchObject({ isBetter: false, isWorse: false, isNotWorse: false });
    expect(few.combined).toMatchObject({ low: null, high: null });
  });

  test('of labels tells nothing in shadow: what counts there is how many units both decided on', () => {
    const rule = { ...RULE, metric: { measure: 'label', better: 'higher' } as const };
    const told = judged(rule, 0, [{ stage: 0, variant: DIFFERENCE, values: around(0, 150) }]);
    expect(told.combined).toBeNull();
    expect(told.stages[0]).toMatchObject({ units: 150, difference: null });
  });

  test('breaches a guardrail on its segment alone, and only by evidence', () => {
    const rule = {
      ...RULE,
      guardrails: [
        metricGuard({ segment: 'origin=LAS' }),
        metricGuard(),
        metricGuard({ segment: 'origin=LAS', limit: 0.5 }),
      ],
    };
    const origin = (name: string) => [`origin=${name}`];
    const told = judged(rule, 1, [
      { stage: 1, variant: 'candidate', segments: origin('LAS'), values: around(0.8, 100) },
      { stage: 1, variant: 'against', segments: origin('LAS'), values: around(0.5, 500) },
      { stage: 1, variant: 'candidate', segments: origin('PHL'), values: around(0.3, 400) },
      { stage: 1, variant: 'against', segments: origin('PHL'), values: around(0.5, 900) },
    ]);
    expect(told.guardrails.map(({ isBreached }) => isBreached)).toEqual([true, false, false]);
    expect(told.guardrails[0]!.worse!.value).toBeCloseTo(0.3, 10);
    expect(told.segments.map(({ segment, candidateUnits }) => [segment, candidateUnits])).toEqual([
      ['origin=PHL', 400],
      ['origin=LAS', 100],
    ]);
    // Both are shown: an interval shares alpha with 20, and not with the metric and three guardrails alone.
    const widthOf = (one: TellableInterval | null): number => one!.high! - one!.low!;
    const [, las] = told.segments;
    expect(las!.difference!.value).toBeCloseTo(told.guardrails[0]!.worse!.value, 12);
    expect(widthOf(las!.difference)).toBeGreaterThan(widthOf(told.guardrails[0]!.worse) * 1.05);
  });

  test('of rollouts without an effect at most a few ever show a segment that differs, however many there are', () => {
    const seeds = simulationSeeds('segments that are shown', 100);
    let wrong = 0;
    for (const seed of seeds) {
      const { normal } = seededRandom(seed);
      const rule = { ...RULE, guardrails: [] };
      const names = Array.from({ length: 12 }, (_, index) => `origin=${index}`);
      const observed = names.flatMap((segment) =>
        (['candidate', 'against'] as const).map((variant) => ({
          stage: 2,
          variant,
          segments: [segment],
          values: Array.from({ length: 150 }, () => normal()),
        })),
      );
      const { segments } = judged(rule, 2, observed);
      if (segments.some(({ difference }) => (difference?.low ?? -1) > 0 || (difference?.high ?? 1) < 0)) wrong++;
    }
    expect(wrong / seeds.length).toBeLessThanOrEqual(0.05);
  });

  test('is not believed where units were lost by variant', () => {
    const told = judged(RULE, 2, [
      { stage: 2, variant: 'candidate', values: around(0, 400) },
      { stage: 2, variant: 'against', values: around(0, 600) },
    ]);
    expect(told.stages.find(({ stage: at }) => at === 2)).toMatchObject({ isRatioMismatch: true });
  });

  test('is not believed where decisions were dropped by variant: in shadow and of a bandit, too', () => {
    const lossy = (rule: RolloutRule, dropped: number) => {
      const losses = { candidate: { sent: 1000, dropped }, against: { sent: 1000, dropped: 100 } };
      const stages = [{ ...emptyTally(0), candidate: units(200), against: units(200), losses }];
      return judged(rule, 0, [], { evidence: { sums: new EvidenceSums(), stages } }).stages[0];
    };
    for (const rule of [RULE, { ...RULE, mode: 'bandit' as const, stages: [stage(0.5)] }]) {
      expect(lossy(rule, 300)).toMatchObject({ isRatioMismatch: true, losses: { candidate: { dropped: 300 } } });
      expect(lossy(rule, 110)).toMatchObject({ isRatioMismatch: false, losses: null });
    }
  });

  test('of a bandit is that of differences by inverse propensity, with the chances of being best', () => {
    const rule = { ...RULE, mode: 'bandit' as const, stages: [stage(0.5)] };
    const told = judged(rule, 0, [
      { stage: 0, variant: 'candidate', values: around(0.2, 50) },
      { stage: 0, variant: 'against', values: around(0.8, 50) },
      { stage: 0, metric: WEIGHTED, variant: DIFFERENCE, values: around(-0.6, 100) },
    ]);
    expect(told.combined!.value).toBeCloseTo(-0.6, 10);
    expect(told.bestChances![0]).toBeGreaterThan(0.999);
  });

  test('of a bandit of several stages goes by the last one that tells something: without it no share is drawn up', () => {
    const rule = { ...RULE, mode: 'bandit' as const, stages: [stage(0.05), stage(0.5)] };
    const nothing = judged(rule, 0, [{ stage: 0, variant: 'against', values: around(0.8, 50) }]);
    expect(nothing).toMatchObject({ bestChances: null, banditShare: null });
    const first = [
      { stage: 0, variant: 'candidate', values: around(0.9, 50) },
      { stage: 0, variant: 'against', values: around(0.2, 50) },
    ];
    for (const at of [0, 1]) {
      const told = judged(rule, at, first);
      expect(told.bestChances![0]).toBeLessThan(0.001);
      expect(told.banditShare).toBeCloseTo(0.05, 5);
    }
    const second = judged(rule, 1, [
      ...first,
      { stage: 1, variant: 'candidate', values: around(0.1, 50) },
      { stage: 1, variant: 'against', values: around(0.2, 50) },
    ]);
    expect(second.bestChances![0]).toBeGreaterThan(0.999);
  });
});

describe('what a rollout lacks is said', () => {
  const lacks = (stages: object, of: Partial<RolloutRule> = {}) =>
    judged({ ...RULE, ...of }, 1, [], {
      evidence: { sums: new EvidenceSums(), stages: [{ ...emptyTally(1), ...stages }] },
      labels: { decisions: 40, mature: 2, immature: 38 },
    }).lacks;

  test.each([
    ['no decision', {}, /no decision of this stage is in the archive yet/],
    ['no unit', { withoutUnit: 3 }, /3 decisions .* none names its unit/],
    ['no candidate', { against: units(9, 0) }, /no unit has met the candidate/],
    [
      'nothing mature',
      { candidate: units(5, 0), against: units(9, 0) },
      /2 of 40 labels are mature.*labels take 1 hour,/,
    ],
    [
      'nothing told',
      { candidate: { ...units(5), observed: 0, nothing: 5 }, against: { ...units(9), observed: 0, nothing: 9 } },
      /told nothing of "log-loss"/,
    ],
  ])('%s', (_, stages, expected) => {
    expect(lacks(stages)).toMatch(expected);
  });

  test('no pair in shadow', () => {
    expect(
      judged(RULE, 0, [], {
        evidence: { sums: new EvidenceSums(), stages: [{ ...emptyTally(0), against: units(7) }] },
      }).lacks,
    ).toMatch(/no request by both variants/);
  });
});

describe('a rollout without an effect', () => {
  test('is ever said to be better or worse in at most 6.5 % of 1,000, looked at at every step', () => {
    const rule: RolloutRule = { ...RULE, segments: [], stages: [stage(0), stage(0.1), stage(0.5)] };
    const seeds = simulationSeeds('null rollouts, judged', 1000);
    let wrong = 0;
    for (const seed of seeds) {
      const { uniform, normal } = seededRandom(seed);
      const sums = new EvidenceSums();
      const stages = rule.stages.map((_, index) => emptyTally(index));
      for (let unit = 0; unit < 900; unit++) {
        const at = Math.floor(unit / 300);
        const { share } = rule.stages[at]!;
        const variant = share === 0 ? DIFFERENCE : uniform() < share ? 'candidate' : 'against';
        sums.observe({ metric: METRIC, stage: at, variant, segments: [], value: normal() });
        if (unit % 10 !== 9) continue;
        const { isBetter, isWorse } = judge({
          rule,
          stage: at,
          evidence: { sums, stages },
          asOfUs: 0,
          labels: { decisions: 0, mature: 0, immature: 0 },
          matureAfterUs: 0,
        });
        if (!isBetter && !isWorse) continue;
        wrong++;
        break;
      }
    }
    expect(wrong / seeds.length).toBeLessThanOrEqual(0.065);
  });
});
