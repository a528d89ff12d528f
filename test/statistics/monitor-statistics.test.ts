import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { benjaminiHochberg } from '../../engine/statistics/benjamini-hochberg.ts';
import { binnedDistances } from '../../engine/statistics/binned-distances.ts';
import { chiSquareBound } from '../../engine/statistics/chi-square.ts';
import { gStatistic, jensenShannon } from '../../engine/statistics/jensen-shannon.ts';
import { populationStability } from '../../engine/statistics/population-stability.ts';
import { robustSpread } from '../../engine/statistics/robust-spread.ts';
import { studentTails } from '../../engine/statistics/student.ts';
import { lawRuns } from '../laws/law-seed.ts';

/** Of SciPy, by make-monitor-vectors.py. */
const VECTORS: {
  readonly jensenShannon: readonly [number[], number[], number][];
  readonly gStatistic: readonly [number[], number[], number, number][];
  readonly binned: readonly [number[], number[], number, number][];
  readonly benjaminiHochberg: readonly [number[], number, boolean[]][];
  readonly robustSpread: readonly [number[], number, number][];
  readonly studentTails: readonly [number, number, number][];
  readonly chiSquareBound: readonly [number, number, number][];
} = JSON.parse(readFileSync(new URL('monitor-vectors.json', import.meta.url), 'utf8'));

const counted = (counts: readonly number[]): Map<number, number> => new Map(counts.entries());
/** With kinds that were never seen left out, as sketches do. */
const seen = (counts: readonly number[]): Map<number, number> =>
  new Map([...counts.entries()].filter(([, count]) => count > 0));

describe("monitors' statistics are SciPy's", () => {
  test('Jensen-Shannon distance', () => {
    for (const [left, right, distance] of VECTORS.jensenShannon) {
      expect(jensenShannon(seen(left), seen(right))).toBeCloseTo(distance, 12);
      expect(jensenShannon(counted(right), counted(left))).toBeCloseTo(distance, 12);
    }
  });

  test('G statistic', () => {
    for (const [left, right, statistic, freedom] of VECTORS.gStatistic) {
      const found = gStatistic(seen(left), seen(right));
      expect(found.statistic).toBeCloseTo(statistic, 8);
      expect(found.freedom).toBe(freedom);
    }
  });

  test('Kolmogorov-Smirnov and Wasserstein of bins', () => {
    for (const [left, right, ks, wasserstein] of VECTORS.binned) {
      const found = binnedDistances(seen(left), seen(right), (bin) => bin);
      expect(found.ks).toBeCloseTo(ks, 12);
      expect(found.wasserstein).toBeCloseTo(wasserstein, 10);
    }
  });

  test('Benjamini-Hochberg', () => {
    for (const [chances, rate, rejected] of VECTORS.benjaminiHochberg)
      expect(benjaminiHochberg(chances, rate)).toEqual(rejected);
  });

  test('median and its distances', () => {
    for (const [sample, middle, distance] of VECTORS.robustSpread) {
      const found = robustSpread(sample);
      expect(found.middle).toBeCloseTo(middle, 12);
      expect(found.spread).toBeCloseTo(1.482602218505602 * distance, 12);
    }
  });

  test("Student's t", () => {
    for (const [t, freedom, chance] of VECTORS.studentTails) {
      const found = studentTails(t, freedom);
      expect(Math.abs(found - chance)).toBeLessThanOrEqual(1e-10 * chance);
    }
    expect(studentTails(Number.POSITIVE_INFINITY, 4)).toBe(0);
  });

  test('bounds of χ²', () => {
    for (const [chance, freedom, bound] of VECTORS.chiSquareBound)
      expect(Math.abs(chiSquareBound(chance, freedom) - bound)).toBeLessThanOrEqual(1e-9 * bound);
    for (const chance of [0, 1, -1, Number.NaN]) expect(chiSquareBound(chance, 3)).toBeNaN();
  });
});

const counts = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 6 }), fc.integer({ min: 1, max: 50 })), { minLength: 1 })
  .map((rows) => new Map(rows));

describe("monitors' statistics, laws", () => {
  test('distances are 0 of the same, the same either way, and bounded', () => {
    fc.assert(
      fc.property(counts, counts, (left, right) => {
        expect(jensenShannon(left, left)).toBeCloseTo(0, 7);
        expect(populationStability(left, left)).toBeCloseTo(0, 12);
        expect(binnedDistances(left, left, (bin) => bin)).toEqual({ ks: 0, wasserstein: 0 });
        const distance = jensenShannon(left, right);
        expect(distance).toBeGreaterThanOrEqual(0);
        expect(distance).toBeLessThanOrEqual(1 + 1e-12);
        expect(populationStability(left, right)).toBeCloseTo(populationStability(right, left), 10);
        expect(populationStability(left, right)).toBeGreaterThanOrEqual(0);
      }),
      lawRuns(200),
    );
  });

  test('of nothing there is no distance', () => {
    const none = new Map<number, number>();
    expect(jensenShannon(none, new Map([[1, 1]]))).toBeNaN();
    expect(gStatistic(none, new Map([[1, 1]])).statistic).toBeNaN();
    expect(binnedDistances(none, none, (bin) => bin)).toEqual({ ks: Number.NaN, wasserstein: Number.NaN });
  });

  test('PSI of equal distributions is as published, which is why it is shown only', () => {
    // Half a record more each: (50.5/101 − 20.5/101)·ln(…) and so on, by hand.
    const p = [50.5 / 101, 50.5 / 101];
    const q = [80.5 / 101, 20.5 / 101];
    const byHand = p.reduce((sum, share, index) => sum + (share - q[index]!) * Math.log(share / q[index]!), 0);
    const found = populationStability(
      new Map(Object.entries({ a: 50, b: 50 })),
      new Map(Object.entries({ a: 80, b: 20 })),
    );
    expect(found).toBeCloseTo(byHand, 12);
  });

  test('nothing but none is rejected of none', () => {
    expect(benjaminiHochberg([], 0.05)).toEqual([]);
    expect(benjaminiHochberg([Number.NaN, 0.001], 0.05)).toEqual([false, true]);
  });
});
