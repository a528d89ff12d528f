import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { confidenceSequence } from '../../engine/evidence/confidence-sequence.ts';
import {
  combinedDifference,
  type Difference,
  meanDifference,
  pairedDifference,
} from '../../engine/evidence/difference.ts';
import type { SampleMoments } from '../../engine/evidence/exact-moments.ts';
import { lawRuns } from '../laws/law-seed.ts';
import { type SeededRandom, seededRandom } from '../statistics/seeded-random.ts';
import { simulationSeeds } from '../statistics/simulation.ts';

/** Welford's: what is looked at after every unit need not be exact. */
class Sample {
  count = 0;
  mean = 0;
  #squares = 0;

  add(value: number): void {
    const before = value - this.mean;
    this.mean += before / ++this.count;
    this.#squares += before * (value - this.mean);
  }

  get variance(): number {
    return this.count < 2 ? 0 : this.#squares / (this.count - 1);
  }
}

const DRAWS: readonly (readonly [string, (random: SeededRandom) => number])[] = [
  ['normal', ({ normal }) => normal()],
  ['one in a hundred', ({ uniform }) => (uniform() < 0.01 ? 1 : 0)],
  ['exponential, which is skewed', ({ exponential }) => exponential()],
];
const MIN_UNITS = 500;
const RUNS = 1000;
const MOST = 0.065;

/** Three stages of a rollout, the first with few units of the candidate. */
const SHARES = [0.05, 0.25, 0.5];

/** Whether a sequence, looked at after each of 2,500 units, ever excludes 0. */
function everExcludes(
  random: SeededRandom,
  draw: (random: SeededRandom, isCandidate: boolean) => number,
  between: (candidate: SampleMoments, against: SampleMoments) => Difference | null,
  combined: (stages: readonly Difference[]) => Difference | null,
): boolean {
  const stages = SHARES.map(() => ({ candidate: new Sample(), against: new Sample() }));
  const differences: Difference[] = [];
  for (let unit = 0; unit < MIN_UNITS * 5; unit++) {
    const index = Math.min(2, Math.floor(unit / MIN_UNITS));
    const stage = stages[index]!;
    const isCandidate = random.uniform() < SHARES[index]!;
    (isCandidate ? stage.candidate : stage.against).add(draw(random, isCandidate));
    const difference = between(stage.candidate, stage.against);
    if (difference === null) continue;
    differences[index] = difference;
    const { low, high } = confidenceSequence(combined(differences.filter(Boolean)), { minUnits: MIN_UNITS });
    if (low > 0 || high < 0) return true;
  }
  return false;
}

describe('a confidence sequence that is looked at after every unit', () => {
  test.each(DRAWS)('excludes 0 in at most 6.5 % of 1,000 rollouts without an effect: %s', (name, draw) => {
    const seeds = simulationSeeds(`no effect, ${name}`, RUNS);
    const excluded = seeds.filter((seed) => everExcludes(seededRandom(seed), draw, meanDifference, combinedDifference));
    expect(excluded.length / seeds.length).toBeLessThanOrEqual(MOST);
  });

  test.each(DRAWS)('and of pairs, as in shadow: %s', (name, draw) => {
    const seeds = simulationSeeds(`no effect in pairs, ${name}`, RUNS);
    const excluded = seeds.filter((seed) => {
      const random = seededRandom(seed);
      const pairs = new Sample();
      for (let unit = 0; unit < MIN_UNITS * 3; unit++) {
        pairs.add(draw(random) - draw(random));
        const { low, high } = confidenceSequence(pairedDifference(pairs), { minUnits: MIN_UNITS });
        if (low > 0 || high < 0) return true;
      }
      return false;
    }).length;
    expect(excluded / seeds.length).toBeLessThanOrEqual(MOST);
  });

  test('finds an effect that is there, in nearly all rollouts', () => {
    const seeds = simulationSeeds('an effect', 100);
    const found = seeds.filter((seed) =>
      everExcludes(
        seededRandom(seed),
        ({ normal }, isCandidate) => normal() + (isCandidate ? 0.3 : 0),
        meanDifference,
        combinedDifference,
      ),
    ).length;
    expect(found / seeds.length).toBeGreaterThan(0.95);
  });

  test('would not hold with variances of their own, weighted by their inverse as estimated: few units without a rare value seem certain', () => {
    const own = (candidate: SampleMoments, against: SampleMoments): Difference | null => {
      const difference = meanDifference(candidate, against);
      const variance = candidate.variance / candidate.count + against.variance / against.count;
      return difference === null || variance === 0 ? null : { ...difference, variance };
    };
    const byVariance = (stages: readonly Difference[]): Difference => {
      const precision = stages.reduce((sum, { variance }) => sum + 1 / variance, 0);
      return {
        value: stages.reduce((sum, { value, variance }) => sum + value / variance, 0) / precision,
        variance: 1 / precision,
        units: stages.reduce((sum, { units }) => sum + units, 0),
      };
    };
    const [[, draw]] = [DRAWS[1]!];
    const seeds = simulationSeeds('own variances', 200);
    const excluded = seeds.filter((seed) => everExcludes(seededRandom(seed), draw, own, byVariance)).length;
    expect(excluded / seeds.length).toBeGreaterThan(2 * MOST);
  });
});

describe('the interval', () => {
  const units = fc.double({ min: 10, max: 1e6, noNaN: true });
  const alpha = fc.double({ min: 1e-6, max: 0.3, noNaN: true });
  const width = (of: Difference, minUnits: number, options: { alpha?: number; comparisons?: number } = {}): number => {
    const { low, high } = confidenceSequence(of, { minUnits, ...options });
    return high - low;
  };
  const difference = (of: number): Difference => ({ value: 0, variance: 1 / of, units: of });

  test('is the published one: value ± s·√(2(nρ² + 1)/(n²ρ²) · ln(√(nρ² + 1)/α)), and narrowest where it is tuned to', () => {
    fc.assert(
      fc.property(units, fc.double({ min: 0.5, max: 9.9, noNaN: true }), alpha, (n, times, each) => {
        const at = difference(n);
        const best = width(at, n, { alpha: each });
        expect(width(at, n * times, { alpha: each })).toBeGreaterThanOrEqual(best * (1 - 1e-12));
        const published = (rho: number): number =>
          2 *
          Math.sqrt(((2 * (n * rho ** 2 + 1)) / (n ** 2 * rho ** 2)) * Math.log(Math.sqrt(n * rho ** 2 + 1) / each));
        // No ρ gives less, and those near the paper's own approximation give hardly more.
        const rho = Math.sqrt((-2 * Math.log(each) + Math.log(-2 * Math.log(each)) + 1) / n);
        for (const factor of [0.5, 0.9, 1, 1.1, 2])
          expect(published(rho * factor)).toBeGreaterThanOrEqual(best * (1 - 1e-12));
        expect(published(rho)).toBeLessThan(best * 1.01);
      }),
      lawRuns(300),
    );
  });

  test('shares alpha among comparisons, and says nothing before a tenth of the units, or of nothing', () => {
    const at = difference(1000);
    expect(width(at, 1000, { comparisons: 5 })).toBe(width(at, 1000, { alpha: 0.01 }));
    expect(width(at, 1000, { comparisons: 5 })).toBeGreaterThan(width(at, 1000));
    const everywhere = { low: -Infinity, high: Infinity };
    expect(confidenceSequence(difference(99), { minUnits: 1000 })).toEqual(everywhere);
    expect(confidenceSequence(null, { minUnits: 1000 })).toEqual(everywhere);
    expect(width(difference(100), 1000)).toBeLessThan(Infinity);
  });
});

describe('a difference', () => {
  test('has the greater of two variances, and as many units as half and half would need', () => {
    const few = { count: 50, mean: 0, variance: 0 };
    const many = { count: 950, mean: 0.01, variance: 0.01 };
    const common = (949 * 0.01) / 998;
    expect(meanDifference(few, many)).toEqual({
      value: -0.01,
      variance: common / 50 + common / 950,
      units: expect.closeTo(190, 9),
    });
    const wild = { count: 50, mean: 0, variance: 9 };
    expect(meanDifference(wild, many)?.variance).toBeCloseTo(9 / 50 + 0.01 / 950, 12);
    expect(meanDifference({ count: 1, mean: 0, variance: 0 }, many)).toBeNull();
    expect(pairedDifference({ count: 1, mean: 2, variance: 0 })).toBeNull();
    expect(pairedDifference({ count: 4, mean: 2, variance: 1 })).toEqual({ value: 2, variance: 0.25, units: 4 });
  });

  test('of stages goes by their units, and ratios that change do not show: no paradox of Simpson', () => {
    // Early days are good for all, and nearly all were against then.
    const early = meanDifference({ count: 50, mean: 10, variance: 1 }, { count: 950, mean: 10, variance: 1 })!;
    const late = meanDifference({ count: 500, mean: 2, variance: 1 }, { count: 500, mean: 2, variance: 1 })!;
    expect(combinedDifference([early, late])).toMatchObject({ value: 0, units: expect.closeTo(1190, 9) });
    expect(combinedDifference([late])).toEqual(late);
    expect(combinedDifference([])).toBeNull();
    const two = combinedDifference([
      { value: 1, variance: 1 / 100, units: 100 },
      { value: 2, variance: 1 / 300, units: 300 },
    ]);
    // By 100 and 300: what inverse variances give, too.
    expect(two).toEqual({ value: 1.75, variance: expect.closeTo(1 / 400, 12), units: 400 });
  });
});
