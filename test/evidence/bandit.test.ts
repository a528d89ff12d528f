import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { drawOfUnit, variantAt } from '../../engine/evidence/assignment.ts';
import { banditShares, LEAST_SHARE } from '../../engine/evidence/bandit-shares.ts';
import { bestChances } from '../../engine/evidence/best-chances.ts';
import { ExactMoments } from '../../engine/evidence/exact-moments.ts';
import { checkShares } from '../../engine/evidence/variant-shares.ts';
import { normalCdf } from '../../engine/statistics/normal.ts';
import { lawRuns } from '../laws/law-seed.ts';
import { type SeededRandom, seededRandom } from '../statistics/seeded-random.ts';
import { simulationSeeds } from '../statistics/simulation.ts';

const sharesOf = (hits: number, count: number) => {
  const mean = hits / count;
  return { count, mean, variance: count < 2 ? 0 : (mean * (1 - mean) * count) / (count - 1) };
};

describe('the chances of being best', () => {
  test('of two shares are the closed form', () => {
    // P(B > A) of Beta(1 + s, 1 + f) of whole numbers (Evan Miller, Formulas for Bayesian A/B testing): a sum over B's hits.
    for (const [a, n, b, m] of [
      [3, 10, 5, 12],
      [0, 40, 2, 35],
      [300, 1000, 290, 900],
      [10, 10, 0, 3],
    ] as const) {
      const [chance] = bestChances([sharesOf(b, m), sharesOf(a, n)], 'share', 'more');
      expect(chance).toBeCloseTo(closedForm(1 + a, 1 + n - a, 1 + b, 1 + m - b), 9);
    }
  });

  test('of two means are the normal chance of their difference', () => {
    fc.assert(
      fc.property(
        fc.double({ min: -3, max: 3, noNaN: true }),
        fc.integer({ min: 2, max: 100_000 }),
        fc.integer({ min: 2, max: 100_000 }),
        (distance, m, n) => {
          const error = Math.sqrt(1 / m + 1 / n);
          const samples = [
            { count: m, mean: distance * error, variance: 1 },
            { count: n, mean: 0, variance: 1 },
          ];
          expect(bestChances(samples, 'number', 'more')[0]).toBeCloseTo(normalCdf(distance), 9);
          expect(bestChances(samples, 'number', 'less')[0]).toBeCloseTo(normalCdf(-distance), 9);
        },
      ),
      lawRuns(50),
    );
  });

  test('of several are those that draws have', () => {
    const samples = [sharesOf(12, 100), sharesOf(60, 400), sharesOf(2, 10), sharesOf(150, 1000)];
    const random = seededRandom(4);
    const draws = 40_000;
    const [most, least] = [samples.map(() => 0), samples.map(() => 0)];
    for (let draw = 0; draw < draws; draw++) {
      const values = samples.map(({ count, mean }) => betaDraw(random, 1 + mean * count, 1 + count - mean * count));
      most[values.indexOf(Math.max(...values))]!++;
      least[values.indexOf(Math.min(...values))]!++;
    }
    // Of 40,000 draws a share is off by less than 0.0125 but once in a million times.
    for (const [better, wins] of [
      ['more', most],
      ['less', least],
    ] as const)
      for (const [index, chance] of bestChances(samples, 'share', better).entries())
        expect(Math.abs(chance - wins[index]! / draws)).toBeLessThan(0.0125);
  });

  test('are equal where nothing is known, and sum up to 1 however far apart', () => {
    const none = { count: 0, mean: 0, variance: 0 };
    expect(bestChances([none, none], 'number', 'more')).toEqual([0.5, 0.5]);
    expect(bestChances([sharesOf(0, 5), sharesOf(0, 9)], 'number', 'more')).toEqual([0.5, 0.5]);
    for (const chance of bestChances([none, none, none], 'share', 'more')) expect(chance).toBeCloseTo(1 / 3, 12);
    const far = bestChances([sharesOf(90_000, 100_000), sharesOf(1, 100_000), none], 'share', 'more');
    expect(far.reduce((sum, each) => sum + each, 0)).toBeCloseTo(1, 12);
    expect(far[1]).toBeLessThan(1e-12);
    expect(far[2]).toBeCloseTo(0.1, 2);
  });
});

describe('the shares of a bandit', () => {
  const chances = fc
    .array(fc.oneof(fc.constant(0), fc.double({ min: 1e-12, max: 1, noNaN: true })), { minLength: 1, maxLength: 20 })
    .filter((all) => all.some((each) => each > 0))
    .map((all) => {
      const sum = all.reduce((total, each) => total + each, 0);
      return all.map((each) => each / sum);
    });

  test('are exact, none below 5 %, and in the order of the chances', () => {
    fc.assert(
      fc.property(chances, (all) => {
        const shares = banditShares(all);
        expect(shares.reduce((sum, share) => sum + share, 0)).toBe(1);
        checkShares(shares.map((share, index) => ({ variant: String(index), share })));
        for (const [index, share] of shares.entries()) {
          expect(share).toBeGreaterThanOrEqual(LEAST_SHARE);
          expect(Number.isInteger(share * 2 ** 20)).toBe(true);
          for (const [other, more] of shares.entries())
            if (all[index]! < all[other]!) expect(share).toBeLessThanOrEqual(more);
        }
      }),
      lawRuns(500),
    );
    // Told apart by their last bit alone: what is left over goes to the likelier.
    const [a, b] = [0.49999998933008777, 0.4999999893300878];
    const near = banditShares([4.999999893300879e-13, a, 4.999999893300879e-13, b, 2.1338824362884343e-8]);
    expect(near[1]).toBeLessThan(near[3]!);
    expect(banditShares([0.6, 0.4]).map((share) => Number(share.toFixed(5)))).toEqual([0.6, 0.4]);
    expect(banditShares([1, 0, 0]).map((share) => Number(share.toFixed(5)))).toEqual([0.9, 0.05, 0.05]);
  });

  test('are refused of more variants than there are floors, and of none', () => {
    const refused = expect.objectContaining({ code: 'invalid-shares' });
    expect(() => banditShares(new Array<number>(20).fill(1 / 20))).toThrow(/expected 1 to 19 variants/);
    expect(banditShares(new Array<number>(19).fill(1 / 19))).toHaveLength(19);
    expect(() => banditShares([])).toThrow(refused);
  });

  test('come to favour the best variant, and what was drawn has the mean of each by inverse propensity', () => {
    const truth = [0.1, 0.12, 0.2];
    const seeds = simulationSeeds('bandit', 30);
    let favoured = 0;
    const estimates = truth.map(() => new ExactMoments());
    for (const seed of seeds) {
      const random = seededRandom(seed);
      const sums = truth.map(() => new ExactMoments());
      const weighted = truth.map(() => 0);
      let shares = truth.map(() => 1 / 3);
      const batches = 15;
      for (let revision = 0; revision < batches; revision++) {
        const named = shares.map((share, index) => ({ variant: String(index), share }));
        for (let unit = 0; unit < 150; unit++) {
          const chosen = Number(variantAt(drawOfUnit(String(seed), revision, String(unit)), named));
          const reward = random.uniform() < truth[chosen]! ? 1 : 0;
          sums[chosen]!.add(reward);
          weighted[chosen]! += reward / shares[chosen]!;
        }
        shares = banditShares(
          bestChances(
            sums.map((each) => each.read()),
            'share',
            'more',
          ),
        );
      }
      if (shares[2] === Math.max(...shares)) favoured++;
      for (const [index, sum] of weighted.entries()) estimates[index]!.add(sum / batches / 150);
    }
    expect(favoured / seeds.length).toBeGreaterThan(0.9);
    // The mean by inverse propensity is unbiased, however shares went: within 4.5 errors of the truth.
    for (const [index, estimate] of estimates.entries()) {
      const { mean, variance, count } = estimate.read();
      expect(Math.abs(mean - truth[index]!)).toBeLessThan(4.5 * Math.sqrt(variance / count));
    }
  });
});

function closedForm(a1: number, b1: number, a2: number, b2: number): number {
  const logBeta = (a: number, b: number): number => logFactorial(a - 1) + logFactorial(b - 1) - logFactorial(a + b - 1);
  let sum = 0;
  for (let hits = 0; hits < a2; hits++)
    sum += Math.exp(logBeta(a1 + hits, b1 + b2) - Math.log(b2 + hits) - logBeta(1 + hits, b2) - logBeta(a1, b1));
  return sum;
}

function logFactorial(n: number): number {
  let sum = 0;
  for (let k = 2; k <= n; k++) sum += Math.log(k);
  return sum;
}

/** Of whole shapes: the share of a gamma number in two, each a sum of exponential ones. */
function betaDraw(random: SeededRandom, a: number, b: number): number {
  // Cheng's would do for all; sums of hundreds are slow: Marsaglia & Tsang.
  const gamma = (shape: number): number => {
    const d = shape - 1 / 3;
    for (;;) {
      const z = random.normal();
      const v = (1 + z / Math.sqrt(9 * d)) ** 3;
      if (v > 0 && Math.log(1 - random.uniform()) < 0.5 * z * z + d - d * v + d * Math.log(v)) return d * v;
    }
  };
  const [x, y] = [gamma(a), gamma(b)];
  return x / (x + y);
}
