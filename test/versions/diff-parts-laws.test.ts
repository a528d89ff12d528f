import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { keyHash } from '../../engine/training/hash-range.ts';
import { EntitySample } from '../../engine/versions/entity-sample.ts';
import { FeatureTally } from '../../engine/versions/feature-tally.ts';
import { histogram } from '../../engine/versions/histogram.ts';
import { NumberSpread } from '../../engine/versions/quantiles.ts';
import { sharedFeatures } from '../../engine/versions/shared-features.ts';
import { wilson } from '../../engine/statistics/wilson.ts';
import { VALUE_OUT_OF_RANGE, type Cell } from '../../engine/values/cell.ts';
import type { ScalarType } from '../../engine/values/field-type.ts';
import type { FeatureLayout, ViewLayout } from '../../engine/define/view-layout.ts';
import { lawRuns, lawSeed } from '../laws/law-seed.ts';

const first = (names: readonly string[], most: number): string[] =>
  [...new Set(names)].sort((a, b) => keyHash(a) - keyHash(b) || (a < b ? -1 : 1)).slice(0, most);

describe('the sample of entities', () => {
  test(`is the first ones by hash, whatever comes in whatever order, and however it is made smaller (seed ${lawSeed})`, () => {
    let leftOut = 0;
    fc.assert(
      fc.property(
        fc.array(fc.nat(4_000), { minLength: 1, maxLength: 6_000, size: 'max' }),
        fc.integer({ min: 1, max: 300 }),
        fc.option(fc.record({ after: fc.nat(6_000), most: fc.integer({ min: 1, max: 300 }) })),
        (numbers, most, shrunk) => {
          const names = numbers.map((number) => `entity ${number}`);
          const held = new Map<number, number>();
          const sample = new EntitySample(most, (number) => held.delete(number));
          for (const [index, name] of names.entries()) {
            if (shrunk?.after === index) sample.shrink(shrunk.most);
            const number = sample.numberOf(name, [name]);
            if (number >= 0) held.set(number, (held.get(number) ?? 0) + 1);
          }
          const kept = Math.min(most, shrunk !== null && shrunk.after < names.length ? shrunk.most : most);
          const ended = sample.ended();
          expect(ended.map(({ keyText }) => keyText)).toEqual(first(names, kept));
          expect(sample.isWhole).toBe(ended.length === new Set(names).size);
          if (!sample.isWhole) leftOut++;
          // Each had all of its events, and of the others nothing is left.
          expect(ended.map(({ keyText, number }) => [keyText, held.get(number)])).toEqual(
            ended.map(({ keyText }) => [keyText, names.filter((name) => name === keyText).length]),
          );
          expect(held.size).toBe(ended.length);
        },
      ),
      lawRuns(30),
    );
    expect(leftOut).toBeGreaterThan(10);
  });

  it('counts what it holds, and gives it back', () => {
    const sample = new EntitySample(10_000, () => undefined);
    for (let index = 0; index < 1_000; index++) sample.numberOf(`k${index}`, [`k${index}`]);
    const all = sample.bytes;
    sample.shrink(500);
    expect(sample.bytes).toBeLessThan(all * 0.51);
    expect(sample.bytes).toBeGreaterThan(0);
  });
});

describe("Wilson's interval", () => {
  it.each([
    // By hand, z = 1.96: (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n).
    [0, 2000, 0, 0.001917],
    [10, 100, 0.0552291, 0.1743657],
    [50, 100, 0.4038315, 0.5961685],
    [2000, 2000, 0.9980829, 1],
    [0, 0, 0, 1],
  ])('of %i of %i is from %f to %f', (hits, of, low, high) => {
    const interval = wilson(hits, of);
    expect(interval.low).toBeCloseTo(low, 6);
    expect(interval.high).toBeCloseTo(high, 6);
  });
});

const featureOf = (result: ScalarType, name = 'f'): FeatureLayout => ({
  name,
  aggregate: 'last',
  slot: 0,
  windowUs: null,
  hopUs: null,
  result,
  nullable: true,
});
const tallied = (type: ScalarType, pairs: readonly (readonly [Cell, Cell])[]): ReturnType<FeatureTally['result']> => {
  const tally = new FeatureTally(featureOf(type), 0, 0);
  for (const [before, after] of pairs) tally.add(before, after, () => ({ entity: {}, before: null, after: null }));
  return tally.result(true);
};

describe('the cells of a feature', () => {
  it('are told apart by bits and by error, each kind counted once', () => {
    expect(
      tallied({ kind: 'double' }, [
        [1, 1],
        [null, null],
        [VALUE_OUT_OF_RANGE, VALUE_OUT_OF_RANGE],
        [0.1 + 0.2, 0.3],
        [null, 5],
        [5, null],
        [VALUE_OUT_OF_RANGE, null],
        [null, VALUE_OUT_OF_RANGE],
        [7, VALUE_OUT_OF_RANGE],
      ]),
    ).toMatchObject({ cells: 9, differing: 6, nullToValue: 1, valueToNull: 1, errors: 3, numbers: { cells: 1 } });
  });

  it('of 64 bits differ by less than a double can tell of them', () => {
    const { numbers } = tallied({ kind: 'int64' }, [[9_007_199_254_740_992n, 9_007_199_254_740_993n]]);
    expect(numbers?.difference).toMatchObject({ min: 1, max: 1 });
  });

  it('of decimals are numbers, of texts and times none', () => {
    expect(tallied({ kind: 'decimal', precision: 10, scale: 2 }, [['1.50', '-0.50']]).numbers).toMatchObject({
      difference: { p50: -2 },
      relative: { p50: -0.5 / 1.5 - 1 },
    });
    expect(tallied({ kind: 'string' }, [['1', '2']])).toMatchObject({ differing: 1, numbers: null });
    expect(tallied({ kind: 'timestamp' }, [[1, 2]])).toMatchObject({ differing: 1, numbers: null });
  });

  it('at both ends of the doubles are far apart, and not infinitely', () => {
    expect(tallied({ kind: 'double' }, [[Number.MAX_VALUE, -Number.MAX_VALUE]]).numbers).toMatchObject({
      difference: { min: -Number.MAX_VALUE },
      relative: { min: -2 },
    });
  });

  it('are five examples at most', () => {
    const pairs = Array.from({ length: 9 }, (_, index) => [index, index + 1] as const);
    expect(tallied({ kind: 'int' }, pairs).examples).toHaveLength(5);
  });
});

test('quantiles are numbers that there were; the ends are of all, also beyond those that are kept', () => {
  const spread = new NumberSpread();
  for (let index = 1; index <= 100; index++) spread.add(101 - index);
  expect(spread.quantiles()).toEqual({ min: 1, p05: 5, p25: 25, p50: 50, p75: 75, p95: 95, max: 100 });
  for (let index = 0; index < 20_000; index++) spread.add(index % 2 === 0 ? 1_000_000 : -1_000_000);
  expect(spread.kept).toHaveLength(10_000);
  expect(spread.quantiles()).toMatchObject({ min: -1_000_000, max: 1_000_000 });
  expect(new NumberSpread().quantiles()).toBeNull();
});

test('a histogram has every number once, also of equal ones and of the largest', () => {
  for (const numbers of [[3, 3, 3], [1], [1, 2, 3, 4], [-Number.MAX_VALUE, 0, Number.MAX_VALUE]])
    expect(histogram(numbers).reduce((sum, { cells }) => sum + cells, 0)).toBe(numbers.length);
});

test('features are shared by name and type, in the order of the newer', () => {
  const layoutOf = (features: readonly FeatureLayout[]): ViewLayout => ({
    semantics: 2,
    view: 'v',
    entity: 'e',
    keys: [],
    tieBreak: 'id',
    groups: [],
    slots: [],
    features,
  });
  const before = layoutOf([
    featureOf({ kind: 'int' }, 'a'),
    featureOf({ kind: 'int' }, 'b'),
    featureOf({ kind: 'int' }, 'gone'),
  ]);
  const after = layoutOf([
    featureOf({ kind: 'double' }, 'b'),
    featureOf({ kind: 'int' }, 'new'),
    featureOf({ kind: 'int' }, 'a'),
  ]);
  expect(sharedFeatures(before, after)).toMatchObject({
    features: [{ feature: { name: 'a' }, before: 0, after: 2 }],
    onlyBefore: ['gone'],
    onlyAfter: ['new'],
    retyped: [{ feature: 'b', before: 'int', after: 'double' }],
  });
});
