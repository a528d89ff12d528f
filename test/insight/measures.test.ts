import fc from 'fast-check';
import { expect, test } from 'vitest';
import { absenceOf } from '../../engine/insight/absence.ts';
import { curveOf } from '../../engine/insight/curve.ts';
import { distributionOf } from '../../engine/insight/distribution.ts';
import type { Label } from '../../engine/insight/label-kind.ts';
import { chosenKeys, possibleKeys } from '../../engine/insight/label-sample.ts';
import type { RowValues } from '../../engine/insight/row-columns.ts';
import { SampledTimes } from '../../engine/insight/sampled-times.ts';
import { wilson } from '../../engine/statistics/wilson.ts';
import { lawRuns } from '../laws/law-seed.ts';

const value = fc.oneof(
  fc.integer({ min: -3, max: 3 }),
  fc.double({ noNaN: true, min: -5, max: 5 }),
  fc.constant(Number.NaN),
);
const rows = fc.array(fc.tuple(value, fc.integer({ min: -1, max: 1 })), { minLength: 1, maxLength: 40 });

const numbersOf = (pairs: readonly (readonly [number, number])[]): RowValues => ({
  kind: 'number',
  values: Float64Array.from(pairs, ([one]) => one),
});
const binaryOf = (pairs: readonly (readonly [number, number])[]): Label => ({
  kind: 'binary',
  column: 'l',
  codes: Int32Array.from(pairs, ([, code]) => code),
  positive: '1',
  negative: '0',
});

test('a curve has every row with a value and a label in one point, in the order of the values', () => {
  fc.assert(
    fc.property(rows, (pairs) => {
      const points = curveOf(numbersOf(pairs), binaryOf(pairs), String)!;
      const both = pairs.filter(([one, code]) => !Number.isNaN(one) && code >= 0);
      expect(points.reduce((sum, point) => sum + point.rows, 0)).toBe(both.length);
      for (const [index, point] of points.entries()) {
        const own = both.filter(([one]) => one >= point.from! && one <= point.until!);
        const hits = own.filter(([, code]) => code === 1).length;
        expect(point).toMatchObject({ rows: own.length, value: null, ...wilson(hits, own.length) });
        expect(point.mean).toBeCloseTo(hits / own.length, 12);
        expect(point.at).toBeCloseTo(own.reduce((sum, [one]) => sum + one, 0) / own.length, 9);
        if (index > 0) expect(points[index - 1]!.until!).toBeLessThan(point.from!);
      }
    }),
    lawRuns(200),
  );
});

test('a curve has the intervals of labels that are large and close together', () => {
  const values = Float64Array.of(1, 1, 1, 1);
  const halfWidth = (first: number): number => {
    const label = {
      kind: 'number',
      column: 'y',
      values: Float64Array.of(first, first + 2, first + 4, first + 6),
    } as const;
    const [point] = curveOf({ kind: 'number', values }, label, String)!;
    expect(point!.mean).toBe(first + 3);
    return point!.high - point!.mean;
  };
  // As epoch µs are, whose squares have no digit left of it.
  expect(halfWidth(1_767_225_600_000_000)).toBeCloseTo(halfWidth(0), 0);
  expect(halfWidth(0)).toBeCloseTo(1.96 * Math.sqrt(20 / 3 / 4), 2);
});

test('a curve over categories has the most frequent, and of a number the mean with its interval', () => {
  const values: RowValues = { kind: 'category', codes: Int32Array.of(0, 0, 1, 1, 1, -1), names: ['b', 'a'] };
  const label: Label = { kind: 'number', column: 'l', values: Float64Array.of(1, 3, 5, 5, Number.NaN, 9) };
  const points = curveOf(values, label, (name) => `<${name}>`)!;
  expect(points).toMatchObject([
    { value: '<a>', rows: 2, mean: 5, low: 5, high: 5, at: null },
    // ±1.96 · the error of the mean: 1 / √1.
    { value: '<b>', rows: 2, mean: 2, low: expect.closeTo(2 - 1.96, 2), high: expect.closeTo(2 + 1.96, 2) },
  ]);
});

test('absence is told where shares differ beyond chance, and not of a few rows', () => {
  const of = (without: readonly number[], there: readonly number[]) => {
    const pairs = [...without.map((code) => [Number.NaN, code] as const), ...there.map((code) => [1, code] as const)];
    return absenceOf(numbersOf(pairs), binaryOf(pairs));
  };
  const [all, none] = [Array.from({ length: 50 }, () => 1), Array.from({ length: 50 }, () => 0)];
  expect(of(all, none)).toEqual({ without: { hits: 50, of: 50 }, with: { hits: 0, of: 50 }, isTold: true });
  expect(of([1, 1], [0, 0, 1])).toMatchObject({ isTold: false });
  expect(of([], all)).toBeNull();
  expect(of(all, [])).toBeNull();
});

test('a distribution has every value in one bin; of numbers that overflow when added up the mean', () => {
  fc.assert(
    fc.property(rows, (pairs) => {
      const known = pairs.map(([one]) => one).filter((one) => !Number.isNaN(one));
      const found = distributionOf(numbersOf(pairs), false);
      if (known.length === 0) {
        expect(found).toBeNull();
        return;
      }
      if (found?.kind !== 'number') throw new Error('not a number');
      expect(found.bins.reduce((sum, { cells }) => sum + cells, 0)).toBe(known.length);
      expect(found.quantiles).toMatchObject({ min: Math.min(...known), max: Math.max(...known) });
      expect(found.zeros).toBe(known.filter((one) => one === 0).length / known.length);
    }),
    lawRuns(200),
  );
  const huge = numbersOf([
    [Number.MAX_VALUE, 0],
    [Number.MAX_VALUE, 0],
    [Number.MAX_VALUE, 0],
  ]);
  expect(distributionOf(huge, false)).toMatchObject({ mean: Number.MAX_VALUE });
});

test('keys are chosen by their hashes until there is no room, one always', () => {
  const key = (text: string, hash: number, of: number) => ({ id: 0, text, hash, rows: of });
  const all = [key('c', 30, 5), key('a', 10, 4), key('b', 20, 7), key('d', 30, 1)];
  const names = (most: number): string =>
    chosenKeys(all, most)
      .map(({ text }) => text)
      .join('');
  expect([1, 4, 10, 11, 16, 17, 99].map(names)).toEqual(['a', 'a', 'a', 'ab', 'abc', 'abcd', 'abcd']);
  // Those that can be chosen no more may be let go on the way.
  const many = fc.uniqueArray(
    fc.record({ id: fc.constant(0), text: fc.string(), hash: fc.nat(50), rows: fc.integer({ min: 1, max: 9 }) }),
    { selector: (one) => one.text, maxLength: 40 },
  );
  fc.assert(
    fc.property(many, fc.nat(40), fc.integer({ min: 1, max: 60 }), (given, at, most) => {
      const onTheWay = possibleKeys(given.slice(0, at), most);
      expect(chosenKeys([...onTheWay, ...given.slice(at)], most)).toEqual(chosenKeys(given, most));
    }),
    lawRuns(300),
  );
});

test('sampled times are those of the same events, in whatever order they come, and an event that comes twice is one', () => {
  const events = fc.array(fc.record({ shop: fc.integer({ min: 0, max: 12 }), offset: fc.nat(500) }), {
    maxLength: 400,
  });
  fc.assert(
    fc.property(events, fc.infiniteStream(fc.nat(1_000)), (given, places) => {
      const sampled = (list: typeof given) => {
        const times = new SampledTimes(5);
        for (const { shop, offset } of list) times.add(`s${shop}`, [`s${shop}`], offset * 60_000_000, -1, offset);
        return times.ended(60).map(({ entity, timesUs }) => [entity.keyText, timesUs]);
      };
      const order = given.map((event) => ({ event, place: places.next().value as number }));
      const shuffled = order.toSorted((a, b) => a.place - b.place).map(({ event }) => event);
      expect(sampled([...shuffled, ...given])).toEqual(sampled(given));
      for (const [text, timesUs] of sampled(given)) {
        const own = new Set(given.filter(({ shop }) => `s${shop}` === text).map(({ offset }) => offset * 60_000_000));
        expect((timesUs as number[]).length).toBeGreaterThan(0);
        for (const time of timesUs as number[]) expect(own.has(time)).toBe(true);
      }
    }),
    lawRuns(100),
  );
});

test('of an entity of very many events the same few are kept, spread over all of them', () => {
  const ended = (offsets: readonly number[]): readonly number[] => {
    const times = new SampledTimes(3);
    for (const offset of offsets) times.add('a', ['a'], offset, -1, offset);
    return times.ended(1_000)[0]!.timesUs;
  };
  const offsets = Array.from({ length: 20_000 }, (_, offset) => offset);
  const kept = ended(offsets);
  expect(kept).toHaveLength(64);
  expect(ended(offsets.toReversed())).toEqual(kept);
  expect(ended([...offsets, ...offsets])).toEqual(kept);
  const halves = kept.filter((offset) => offset < 10_000).length;
  expect(halves).toBeGreaterThan(16);
  expect(halves).toBeLessThan(48);
});
