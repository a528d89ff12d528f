import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DecisionGuards } from '../../engine/rollouts/decision-guards.ts';
import { decisionFigures, type WatchedDecision, watchedDecision } from '../../engine/rollouts/decision-figures.ts';
import type { GuardrailRule, RolloutRule } from '../../engine/rollouts/rollout-rule.ts';
import { UnitMeans } from '../../engine/rollouts/unit-means.ts';
import { lawRuns } from '../laws/law-seed.ts';
import { type SeededRandom, seededRandom } from '../statistics/seeded-random.ts';
import { simulationSeeds } from '../statistics/simulation.ts';

const guard = (of: Partial<GuardrailRule>): GuardrailRule => ({
  kind: 'errors',
  limit: 0,
  segment: null,
  action: null,
  points: [],
  ...of,
});
const rule = (guardrails: readonly GuardrailRule[]): RolloutRule => ({
  metric: { measure: 'label', better: 'higher' },
  stages: [{ share: 0.5, minUnits: 100, minTimeMs: 0, smallestEffect: null, approve: false }],
  guardrails,
  segments: ['origin'],
  observeUs: 0,
  alpha: 0.05,
  mode: 'stages',
  floor: 0.05,
});
const decision = (of: Partial<WatchedDecision>): WatchedDecision => ({
  stage: 0,
  variant: 'candidate',
  unit: 'u',
  action: 'go',
  score: 0.5,
  latencyMs: 10,
  error: null,
  values: ['{"a":1,"b":2}'],
  context: { origin: 'LAS' },
  ...of,
});

/** So many units of each variant, each with three decisions. */
function watched(
  guardrails: readonly GuardrailRule[],
  candidate: (unit: number, random: SeededRandom) => Partial<WatchedDecision>,
  against: (unit: number, random: SeededRandom) => Partial<WatchedDecision> = () => ({}),
  units = 400,
  seed = 7,
) {
  const random = seededRandom(seed);
  const guards = new DecisionGuards(rule(guardrails));
  for (let unit = 0; unit < units; unit++)
    for (let turn = 0; turn < 3; turn++) {
      guards.take(decision({ unit: `c${unit}`, ...candidate(unit, random) }));
      guards.take(decision({ unit: `a${unit}`, variant: 'against', ...against(unit, random) }));
    }
  return guards.judge();
}

describe('a guardrail on decisions', () => {
  const uneven = (_: number, { uniform }: SeededRandom) => ({ score: uniform(), latencyMs: 10 + uniform() });
  const cases: readonly [
    string,
    Partial<GuardrailRule>,
    (unit: number, random: SeededRandom) => Partial<WatchedDecision>,
  ][] = [
    ['latency', { kind: 'latency', limit: 5 }, (_, { uniform }) => ({ latencyMs: 20 + uniform() })],
    ['errors', { kind: 'errors', limit: 0.1 }, (unit) => ({ error: unit % 3 === 0 ? 'no-features' : null })],
    [
      'coverage',
      { kind: 'coverage', limit: 0.1 },
      (unit) => ({ values: [unit % 2 === 0 ? '{"a":null,"b":2}' : '{"a":1,"b":2}'] }),
    ],
    [
      'action-share',
      { kind: 'action-share', action: 'hold', limit: 0.05 },
      (unit) => ({ action: unit % 4 === 0 ? 'hold' : 'go' }),
    ],
    [
      'score-shift',
      { kind: 'score-shift', points: [0.25, 0.5, 0.75], limit: 0.1 },
      (_, { uniform }) => ({ score: uniform() ** 3 }),
    ],
  ];

  test.each(cases)('%s: is breached by evidence of more than its limit, and not by less', (_, of, candidate) => {
    expect(watched([guard(of)], candidate, uneven)).toMatchObject([{ guardrail: 0, isBreached: true }]);
    expect(watched([guard(of)], uneven, uneven)).toMatchObject([{ guardrail: 0, isBreached: false }]);
    // The other way about it is better, but for what may go neither way.
    const isEither = of.kind === 'action-share' || of.kind === 'score-shift';
    expect(watched([guard(of)], uneven, candidate)).toMatchObject([{ isBreached: isEither }]);
    // Of few units nothing is known.
    expect(watched([guard(of)], candidate, uneven, 3)).toMatchObject([{ isBreached: false }]);
  });

  test('of a segment looks at its units alone, and says by how much', () => {
    const ofLas = (unit: number) => ({
      context: { origin: unit % 2 === 0 ? 'LAS' : 'PHL' },
      error: unit % 2 === 0 ? 'broken' : null,
    });
    const clean = (unit: number) => ({ context: { origin: unit % 2 === 0 ? 'LAS' : 'PHL' } });
    const told = watched(
      [guard({ segment: 'origin=LAS', limit: 0.5 }), guard({ segment: 'origin=PHL' }), guard({ kind: 'metric' })],
      ofLas,
      clean,
    );
    expect(told).toMatchObject([
      { guardrail: 0, isBreached: true, worse: { value: 1, units: 400 } },
      { guardrail: 1, isBreached: false },
    ]);
  });

  test('counts no decision without a unit, of another stage or variant', () => {
    const guards = new DecisionGuards(rule([guard({})]));
    guards.take(decision({ unit: null }));
    guards.take(decision({ unit: '' }));
    guards.take(decision({ stage: 9 }));
    guards.take(decision({ variant: 'third' }));
    expect(guards.judge()).toEqual([{ guardrail: 0, worse: null, isBreached: false }]);
  });

  test('returns at most 6.5 % of 1,000 rollouts in which nothing is worse, looked at all the time', () => {
    const guardrails = [
      guard({}),
      guard({ kind: 'latency' }),
      guard({ kind: 'score-shift', points: [0.25, 0.5, 0.75] }),
    ];
    const seeds = simulationSeeds('guardrails without a cause', 1000);
    const wrong = seeds.filter((seed) => {
      const { uniform, exponential } = seededRandom(seed);
      const guards = new DecisionGuards(rule(guardrails));
      for (let turn = 0; turn < 500; turn++) {
        // Units come back: their decisions are alike.
        const unit = Math.floor(uniform() * 300);
        const variant = unit % 4 === 0 ? 'candidate' : 'against';
        const slow = seededRandom(seed + unit).exponential() * 5;
        const error = uniform() < 0.03 ? 'e' : null;
        guards.take(decision({ unit: `u${unit}`, variant, latencyMs: slow + exponential(), score: uniform(), error }));
        if (turn % 5 === 0 && guards.judge().some(({ isBreached }) => isBreached)) return true;
      }
      return false;
    });
    expect(wrong.length / seeds.length).toBeLessThanOrEqual(0.065);
  });
});

describe('means of units', () => {
  const rows = fc.array(
    fc.record({
      unit: fc.constantFrom('a', 'b', 'c', 'd'),
      value: fc.option(fc.integer({ min: -5, max: 5 }), { nil: null }),
    }),
    { maxLength: 40 },
  );

  test('are those of each unit, whatever the order', () => {
    fc.assert(
      fc.property(
        rows.chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length }))),
        ([all, shuffled]) => {
          const of = (given: typeof all) => {
            const means = new UnitMeans(1);
            for (const { unit, value } of given) means.add(unit, [value]);
            return means.read(0);
          };
          const perUnit = [...Map.groupBy(all, ({ unit }) => unit).values()].flatMap((own) => {
            const told = own.flatMap(({ value }) => (value === null ? [] : [value]));
            return told.length === 0 ? [] : [told.reduce((sum, value) => sum + value, 0) / told.length];
          });
          const mean = perUnit.reduce((sum, value) => sum + value, 0) / (perUnit.length || 1);
          const squares = perUnit.reduce((sum, value) => sum + (value - mean) ** 2, 0);
          for (const read of [of(all), of(shuffled)]) {
            expect(read.count).toBe(perUnit.length);
            expect(read.mean).toBeCloseTo(mean, 9);
            expect(read.variance).toBeCloseTo(perUnit.length < 2 ? 0 : squares / (perUnit.length - 1), 9);
          }
        },
      ),
      lawRuns(300),
    );
  });

  test('of many units are those of some, the same ones in whatever order they come', () => {
    const keys = Array.from({ length: 1000 }, (_, index) => `u${index}`);
    const of = (given: readonly string[]) => {
      const means = new UnitMeans(1, 100);
      for (const key of given) means.add(key, [Number(key.slice(1))]);
      return means.read(0);
    };
    const [one, other] = [of(keys), of(keys.toReversed())];
    expect(one.count).toBeGreaterThan(20);
    expect(one.count).toBeLessThanOrEqual(100);
    expect(other.count).toBe(one.count);
    expect(other.mean).toBeCloseTo(one.mean, 9);
  });
});

describe('a decision as it is watched', () => {
  test('is one of the rollout; what its features lack is counted', () => {
    const row = {
      rollout: 'r1',
      stage: 1,
      variant: 'candidate',
      unit: 'u',
      action: 'go',
      reads: [{ values: '{"a":null,"b":1}' }, { values: '{"c":2,"d":3}' }],
      context: {},
    };
    const watchedRow = watchedDecision(row, 'r1');
    expect(decisionFigures(watchedRow!)).toMatchObject({ coverage: 0.75, hasError: false, score: null });
    expect(watchedDecision(row, 'r2')).toBeNull();
    expect(decisionFigures(decision({ values: ['no json', '[]'] })).coverage).toBeNull();
  });
});
