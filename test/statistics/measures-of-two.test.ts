import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { areaUnderCurve } from '../../engine/statistics/area-under-curve.ts';
import { binned } from '../../engine/statistics/bins.ts';
import { mutualInformation } from '../../engine/statistics/mutual-information.ts';
import { midranks, rankCorrelation } from '../../engine/statistics/rank-correlation.ts';
import { lawRuns } from '../laws/law-seed.ts';

/** Few different ones, so that there are ties. */
const number = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.double({ noNaN: true, min: -2, max: 2 }));
const numbers = fc.array(number, { minLength: 1, maxLength: 30 });

const times = (value: number, rows: number): number[] => Array.from({ length: rows }, () => value);

/** Hanley & McNeil (Radiology 143, 1982), table I: 109 CT images, rated 1 to 5; 58 normal, 51 abnormal. */
const RATED = {
  normal: [33, 6, 6, 11, 2].flatMap((rows, index) => times(index + 1, rows)),
  abnormal: [3, 2, 2, 11, 33].flatMap((rows, index) => times(index + 1, rows)),
};

describe('the area under the curve', () => {
  test('is the published one, with the published error', () => {
    const { area, interval } = areaUnderCurve(Float64Array.from(RATED.abnormal), Float64Array.from(RATED.normal));
    expect(area).toBeCloseTo(0.893, 3);
    // They give a standard error of 0.032, by a formula that is almost DeLong's.
    expect((interval.high - interval.low) / 2 / 1.959964).toBeCloseTo(0.032, 2);
  });

  test('is the share of pairs that are the right way round, and its error is that of the definition', () => {
    fc.assert(
      fc.property(numbers, numbers, (positives, negatives) => {
        const [m, n] = [positives.length, negatives.length];
        const wins = (x: number, y: number): number => (x > y ? 1 : x === y ? 0.5 : 0);
        const mean = (all: readonly number[]): number => all.reduce((sum, one) => sum + one, 0) / all.length;
        const variance = (all: readonly number[]): number =>
          all.reduce((sum, one) => sum + (one - mean(all)) ** 2, 0) / (all.length - 1);
        const ofPositive = positives.map((x) => mean(negatives.map((y) => wins(x, y))));
        const ofNegative = negatives.map((y) => mean(positives.map((x) => wins(x, y))));
        const { area, interval } = areaUnderCurve(Float64Array.from(positives), Float64Array.from(negatives));
        expect(area).toBeCloseTo(mean(ofPositive), 12);
        expect(interval.low).toBeLessThanOrEqual(area);
        expect(interval.high).toBeGreaterThanOrEqual(area);
        if (m < 2 || n < 2) {
          expect(interval).toEqual({ low: 0, high: 1 });
          return;
        }
        if (area === 0 || area === 1) {
          expect(interval.high - interval.low).toBeGreaterThan(0);
          return;
        }
        const error = Math.sqrt(variance(ofPositive) / m + variance(ofNegative) / n);
        expect(interval.low).toBeCloseTo(Math.max(0, area - 1.959963984540054 * error), 9);
        expect(interval.high).toBeCloseTo(Math.min(1, area + 1.959963984540054 * error), 9);
      }),
      lawRuns(300),
    );
  });

  test('of classes that do not overlap has an interval all the same', () => {
    const apart = areaUnderCurve(Float64Array.of(5, 6, 7), Float64Array.of(1, 2));
    expect(apart.area).toBe(1);
    expect(apart.interval.high).toBe(1);
    expect(apart.interval.low).toBeLessThan(0.5);
    expect(areaUnderCurve(Float64Array.of(1), Float64Array.of(2)).interval).toEqual({ low: 0, high: 1 });
  });
});

describe('the rank correlation', () => {
  test('is the published one', () => {
    // The example of Wikipedia's "Spearman's rank correlation coefficient": IQ and hours of TV, -29/165.
    const iq = Float64Array.of(106, 86, 100, 101, 99, 103, 97, 113, 112, 110);
    const hours = Float64Array.of(7, 0, 27, 50, 28, 29, 20, 12, 6, 17);
    const found = rankCorrelation(iq, hours)!;
    expect(found.correlation).toBeCloseTo(-29 / 165, 12);
    // tanh(atanh r ± z √((1 + r²/2)/(n − 3))), worked out in Python.
    expect(found.interval.low).toBeCloseTo(-0.7278, 4);
    expect(found.interval.high).toBeCloseTo(0.5146, 3);
  });

  test('is the correlation of ranks, ties having their mean, and does not change with what keeps the order', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(number, number), { minLength: 2, maxLength: 30 }), (pairs) => {
        const [x, y] = [pairs.map(([one]) => one), pairs.map(([, other]) => other)];
        const rank = (all: readonly number[]): number[] =>
          all.map(
            (one) => all.filter((other) => other < one).length + (all.filter((other) => other === one).length + 1) / 2,
          );
        expect([...midranks(Float64Array.from(x))]).toEqual(rank(x));
        const [a, b] = [rank(x), rank(y)];
        const middle = (a.length + 1) / 2;
        const dot = (p: readonly number[], q: readonly number[]): number =>
          p.reduce((sum, one, index) => sum + (one - middle) * (q[index]! - middle), 0);
        const found = rankCorrelation(Float64Array.from(x), Float64Array.from(y));
        if (dot(a, a) === 0 || dot(b, b) === 0) {
          expect(found).toBeNull();
          return;
        }
        expect(found!.correlation).toBeCloseTo(dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b)), 12);
        expect(found!.interval.low).toBeLessThanOrEqual(found!.correlation);
        expect(found!.interval.high).toBeGreaterThanOrEqual(found!.correlation);
        const moved = rankCorrelation(
          Float64Array.from(x, (one) => 8 * one),
          Float64Array.from(y),
        );
        expect(moved!.correlation).toBeCloseTo(found!.correlation, 12);
      }),
      lawRuns(300),
    );
  });

  test('at 1 has an interval all the same', () => {
    const { correlation, interval } = rankCorrelation(Float64Array.of(1, 2, 3, 4, 5), Float64Array.of(2, 4, 6, 8, 10))!;
    expect(correlation).toBe(1);
    expect(interval.high).toBe(1);
    expect(interval.low).toBeLessThan(0.8);
  });
});

describe('mutual information', () => {
  const of = (x: readonly number[], y: readonly number[]) => mutualInformation(Int32Array.from(x), Int32Array.from(y));

  test('and what chance gives are those of a published implementation', () => {
    // scikit-learn's test of `expected_mutual_information`: 0.41022 and 0.15042 nats.
    const x = [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2];
    const y = [0, 0, 0, 0, 1, 0, 1, 1, 1, 1, 2, 0, 2, 2, 2, 1, 1];
    const { bits, byChance } = of(x, y);
    expect((bits + byChance) * Math.LN2).toBeCloseTo(0.41022, 5);
    expect(byChance * Math.LN2).toBeCloseTo(0.15042, 5);
  });

  test('has the mean over all orders of the label as what chance gives', () => {
    const code = fc.integer({ min: 0, max: 2 });
    fc.assert(
      fc.property(fc.array(fc.tuple(code, code), { minLength: 1, maxLength: 6 }), (pairs) => {
        const [x, y] = [pairs.map(([one]) => one), pairs.map(([, other]) => other)];
        const all = ordersOf(y).map((shuffled) => naiveBits(x, shuffled));
        const { bits, byChance, ofLabel } = of(x, y);
        expect(byChance).toBeCloseTo(all.reduce((sum, one) => sum + one, 0) / all.length, 9);
        expect(bits + byChance).toBeCloseTo(naiveBits(x, y), 9);
        expect(ofLabel).toBeCloseTo(naiveBits(y, y), 9);
      }),
      lawRuns(10),
    );
  });

  test('of as many categories as rows is nothing, however it looks', () => {
    const rows = Array.from({ length: 200 }, (_, index) => index);
    const { bits, byChance, ofLabel } = of(
      rows,
      rows.map((row) => row % 2),
    );
    expect(ofLabel).toBe(1);
    expect(byChance).toBeCloseTo(1, 12);
    expect(bits).toBeCloseTo(0, 12);
  });
});

test('numbers are put into bins in their order, equal ones into one, of about equally many', () => {
  fc.assert(
    fc.property(numbers, fc.integer({ min: 1, max: 12 }), (values, bins) => {
      const codes = binned(Float64Array.from(values), bins);
      expect(Math.max(...codes)).toBeLessThan(bins);
      for (const [i, one] of values.entries())
        for (const [j, other] of values.entries()) {
          if (one === other) expect(codes[i]).toBe(codes[j]);
          if (one < other) expect(codes[i]!).toBeLessThanOrEqual(codes[j]!);
        }
    }),
    lawRuns(300),
  );
  expect([...binned(Float64Array.of(1, 2, 3, 4, 5, 6, 7, 8), 4)]).toEqual([0, 0, 1, 1, 2, 2, 3, 3]);
});

function naiveBits(x: readonly number[], y: readonly number[]): number {
  const share = (is: (row: number) => boolean): number => x.filter((_, row) => is(row)).length / x.length;
  let bits = 0;
  for (const a of new Set(x))
    for (const b of new Set(y)) {
      const both = share((row) => x[row] === a && y[row] === b);
      if (both > 0) bits += both * Math.log2(both / share((row) => x[row] === a) / share((row) => y[row] === b));
    }
  return bits;
}

function ordersOf(values: readonly number[]): number[][] {
  if (values.length === 0) return [[]];
  return values.flatMap((value, index) => ordersOf(values.toSpliced(index, 1)).map((rest) => [value, ...rest]));
}
