import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Cell, VALUE_OUT_OF_RANGE } from '../../engine/values/cell.ts';
import type { ScalarType, ScalarValue } from '../../engine/values/field-type.ts';
import type { PreparedEvent } from '../../engine/define/compiled-view.ts';
import {
  ENGINE_SEMANTICS,
  type AggregateName,
  type PartialKind,
  type ViewLayout,
} from '../../engine/define/view-layout.ts';
import { createViewReducer } from '../../engine/state/create-view-reducer.ts';
import { exactStddev, exactVariance } from '../oracle/exact.ts';
import { trainingValues } from '../oracle/read.ts';
import { asOracle, hex } from './engine-reads.ts';
import { lawRuns } from './law-seed.ts';
import { oracleEventsOf, oracleViewOf } from './layout-oracle.ts';

function layoutFor(
  aggregate: AggregateName,
  input: ScalarType,
  result: ScalarType,
  windowUs: number | null = null,
): ViewLayout {
  const hopUs = windowUs === null ? null : 1000;
  return {
    semantics: ENGINE_SEMANTICS,
    view: 'payments',
    entity: 'e',
    keys: [{ name: 'k', type: { kind: 'string' } }],
    tieBreak: 'id',
    groups: [{ hopUs, spanUs: windowUs }],
    slots: [{ partial: partialOf(aggregate), input, group: 0 }],
    features: [{ name: 'amount', aggregate, slot: 0, windowUs, hopUs, result, nullable: true }],
  };
}

function event(value: ScalarValue, eventTimeUs = 0, id = '1'): PreparedEvent {
  return { keyText: 'k', key: ['k'], eventTimeUs, id, partition: 0, offset: 0, inputs: [value] };
}

function partialOf(aggregate: AggregateName): PartialKind {
  if (aggregate === 'avg') return 'sum';
  if (aggregate === 'median') return 'quantiles';
  if (aggregate === 'distinct') return 'values';
  if (aggregate === 'topK' || aggregate === 'histogram') return 'counts';
  return aggregate === 'variance' || aggregate === 'stddev' ? 'moments' : aggregate;
}

/** Reads a lifetime aggregate over values, once from memory and once from bytes: both must agree. */
function aggregateOf(
  aggregate: AggregateName,
  input: ScalarType,
  result: ScalarType,
  values: readonly ScalarValue[],
): Cell {
  const reducer = createViewReducer(layoutFor(aggregate, input, result));
  const state = reducer.empty();
  for (const [index, value] of values.entries()) reducer.apply(state, event(value, index));
  const read = reducer.read(reducer.decode(reducer.encode(state)), values.length)[0]!;
  const inMemory = reducer.read(state, values.length)[0]!;
  expect(Object.is(read, inMemory)).toBe(true);
  return inMemory;
}

const double = { kind: 'double' } as const;
const int = { kind: 'int' } as const;
const int64 = { kind: 'int64' } as const;
const cents = { kind: 'decimal', precision: 38, scale: 2 } as const;

describe('sums of doubles', () => {
  const sums: [readonly number[], number][] = [
    [[0.1, 0.2], 0.30000000000000004],
    [[0.1, 0.2, -0.3], 2.7755575615628914e-17],
    [Array.from({ length: 10 }, () => 0.1), 1],
    [[1e308, 1, -1e308], 1],
    [[1e308, 1e308, -1e308, -1e308, 5e-324], 5e-324],
    [[Number.MAX_VALUE, 5e-324, -Number.MAX_VALUE], 5e-324],
    [[Number.MAX_VALUE, Number.MAX_VALUE, -Number.MAX_VALUE], Number.MAX_VALUE],
    [[1, 2 ** -53], 1],
    [[1, 2 ** -53, 2 ** -1074], 1 + 2 ** -52],
    [[1, 2 ** -53, -(2 ** -1074)], 1],
    [[2 ** 53, 1], 2 ** 53],
    [[2 ** 53, 1, 2 ** -1000], 2 ** 53 + 2],
    [[5e-324, 5e-324], 1e-323],
    [[2.2250738585072014e-308, -5e-324], 2.225073858507201e-308],
    [[1.5, -1.5], 0],
    [[-0], 0],
    [[-5e-324, 5e-324], 0],
  ];
  for (const [values, expected] of sums) {
    test(`${values.length > 6 ? `${values.length} times ${values[0]}` : values.join(' + ')} is ${expected}`, () => {
      expect(Object.is(aggregateOf('sum', double, double, values), expected)).toBe(true);
    });
  }

  test('the mean of -5e-324 and 0 is 0, not -0', () => {
    expect(Object.is(aggregateOf('avg', double, double, [-5e-324, 0]), 0)).toBe(true);
  });

  test('all ways through the lanes end in the same bytes', () => {
    const layout = layoutFor('sum', double, double);
    const reducer = createViewReducer(layout);
    // Large enough a spread that the pair lane is left, then everything large cancels and the rest fits again.
    const spread = fc.array(
      fc.tuple(fc.integer({ min: -1074, max: 971 }), fc.integer({ min: -(2 ** 52), max: 2 ** 52 }), fc.boolean()),
      { minLength: 1, maxLength: 8 },
    );
    fc.assert(
      fc.property(spread, fc.array(fc.double({ noNaN: true, min: -10, max: 10 }), { maxLength: 5 }), (parts, rest) => {
        const terms = parts.flatMap(([exponent, mantissa, cancels]) => {
          const value = mantissa * 2 ** Math.max(exponent, -1022) * (exponent < -1022 ? 2 ** (exponent + 1022) : 1);
          return cancels ? [value, -value] : [value];
        });
        const values = [...terms, ...rest].filter(Number.isFinite).map((value) => value + 0);
        const forward = reducer.empty();
        const backward = reducer.empty();
        const merged = reducer.empty();
        for (const value of values) reducer.apply(forward, event(value));
        for (const value of values.toReversed()) reducer.apply(backward, event(value));
        for (const value of values.toSorted((a, b) => Math.abs(a) - Math.abs(b))) {
          const one = reducer.empty();
          reducer.apply(one, event(value));
          reducer.mergeInto(merged, reducer.decode(reducer.encode(one)));
        }
        const bytes = hex(reducer.encode(forward));
        expect(hex(reducer.encode(backward))).toBe(bytes);
        expect(hex(reducer.encode(merged))).toBe(bytes);
        expect(hex(reducer.encode(reducer.decode(Buffer.from(bytes, 'hex'))))).toBe(bytes);
        const events = values.map((value) => event(value));
        const expected = trainingValues(oracleViewOf(layout), oracleEventsOf(layout, events), 1)[0];
        expect(asOracle(reducer.read(forward, 1))).toEqual([expected]);
      }),
      lawRuns(1500),
    );
  });

  test('sums over tiles are rounded once, not per tile', () => {
    const layout = layoutFor('sum', double, double, 100_000);
    const reducer = createViewReducer(layout);
    const state = reducer.empty();
    for (const value of [1, 2 ** -54, 2 ** -80]) reducer.apply(state, event(value, 0));
    reducer.apply(state, event(2 ** -54, 1000));
    // 1 + 2^-53 alone is a tie and would round down; what the first tile has beyond its own double decides.
    expect(reducer.read(state, 2000)).toEqual([1 + 2 ** -52]);
    const scales = fc.constantFrom(1, 1e-9, 1e9, 1e17, 1e-30, 1e300);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(3000), fc.double({ noNaN: true, min: -9, max: 9 }), scales), { minLength: 1 }),
        (parts) => {
          const events = parts.map(([time, value, scale]) => event(value * scale + 0, time));
          const state = reducer.empty();
          for (const each of events) reducer.apply(state, each);
          const [expected] = trainingValues(oracleViewOf(layout), oracleEventsOf(layout, events), 100_000);
          expect(Object.is(reducer.read(state, 100_000)[0], expected)).toBe(true);
        },
      ),
      lawRuns(500),
    );
  });
});

describe('sums of integers and decimals', () => {
  test('pass through any size on the way to a result that fits', () => {
    const max = Number.MAX_SAFE_INTEGER;
    expect(aggregateOf('sum', int, int, [max, max, max, -max, -max])).toBe(max);
    expect(aggregateOf('sum', int64, int64, [2n ** 63n - 1n, 2n ** 63n - 1n, -(2n ** 63n)])).toBe(2n ** 63n - 2n);
    const nines = `${'9'.repeat(36)}.99`;
    expect(aggregateOf('sum', cents, cents, [nines, nines, `-${nines}`])).toBe(nines);
  });

  test('means are the correctly rounded sum, divided once', () => {
    expect(aggregateOf('avg', int64, double, [2n ** 53n, 1n, 0n])).toBe(2 ** 53 / 3);
    expect(aggregateOf('avg', int64, double, [2n ** 53n, 3n])).toBe((2 ** 53 + 4) / 2);
    // 0.03 / 1 by scaled division would be 3 / 100, which is right; 1.15 + 2.20 needs one rounding of 3.35.
    expect(aggregateOf('avg', cents, double, ['1.15', '2.20'])).toBe(3.35 / 2);
    expect(aggregateOf('avg', int, double, [])).toBe(null);
  });

  test('-0 counts as 0', () => {
    expect(Object.is(aggregateOf('sum', int, int, [-0]), 0)).toBe(true);
    expect(Object.is(aggregateOf('max', double, double, [-0]), 0)).toBe(true);
    expect(Object.is(aggregateOf('last', int, int, [-0]), 0)).toBe(true);
  });
});

describe('what does not fit its type', () => {
  const nines = `${'9'.repeat(36)}.99`;
  const lowest = `-${nines}`;
  const cases: [string, AggregateName, ScalarType, ScalarValue[], Cell][] = [
    ['the greatest int', 'sum', int, [Number.MAX_SAFE_INTEGER - 1, 1], Number.MAX_SAFE_INTEGER],
    ['an int above it', 'sum', int, [Number.MAX_SAFE_INTEGER, 1], VALUE_OUT_OF_RANGE],
    ['the least int', 'sum', int, [Number.MIN_SAFE_INTEGER + 1, -1], Number.MIN_SAFE_INTEGER],
    ['an int below it', 'sum', int, [Number.MIN_SAFE_INTEGER, -1], VALUE_OUT_OF_RANGE],
    ['the greatest int64', 'sum', int64, [2n ** 63n - 2n, 1n], 2n ** 63n - 1n],
    ['an int64 above it', 'sum', int64, [2n ** 63n - 1n, 1n], VALUE_OUT_OF_RANGE],
    ['the least int64', 'sum', int64, [1n - 2n ** 63n, -1n], -(2n ** 63n)],
    ['an int64 below it', 'sum', int64, [-(2n ** 63n), -1n], VALUE_OUT_OF_RANGE],
    ['the greatest decimal', 'sum', cents, [`${'9'.repeat(36)}.98`, '0.01'], nines],
    ['a decimal of 39 digits', 'sum', cents, [nines, '0.01'], VALUE_OUT_OF_RANGE],
    ['the least decimal', 'sum', cents, [`-${'9'.repeat(36)}.98`, '-0.01'], lowest],
    ['a decimal of 39 digits below it', 'sum', cents, [lowest, '-0.01'], VALUE_OUT_OF_RANGE],
    ['a double above the greatest', 'sum', double, [Number.MAX_VALUE, 2 ** 970], VALUE_OUT_OF_RANGE],
    ['a double below the least', 'sum', double, [-Number.MAX_VALUE, -Number.MAX_VALUE], VALUE_OUT_OF_RANGE],
    // Means fit where their sums do not, but for doubles: there the rounded sum is what is divided.
    ['a mean of ints', 'avg', int, [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER], Number.MAX_SAFE_INTEGER],
    ['a mean of int64', 'avg', int64, [2n ** 63n - 1n, 2n ** 63n - 1n], 2 ** 63],
    ['a mean of decimals', 'avg', cents, [nines, nines], 1e36],
    ['a mean of doubles whose sum overflows', 'avg', double, [Number.MAX_VALUE, 2 ** 970], VALUE_OUT_OF_RANGE],
    ['a mean of doubles whose sum just fits', 'avg', double, [Number.MAX_VALUE, 2 ** 969], Number.MAX_VALUE / 2],
  ];
  for (const [name, aggregate, input, values, expected] of cases) {
    test(`${name}: the edge of the result's type`, () => {
      const result = aggregate === 'avg' ? double : input;
      expect(aggregateOf(aggregate, input, result, values)).toBe(expected);
    });
  }

  test('is an error of its feature alone', () => {
    const layout: ViewLayout = {
      ...layoutFor('sum', int, int),
      slots: [
        { partial: 'count', input: null, group: 0 },
        { partial: 'sum', input: int, group: 0 },
        { partial: 'last', input: int, group: 0 },
      ],
      features: (['count', 'sum', 'avg', 'last'] as const).map((aggregate) => ({
        name: aggregate,
        aggregate,
        slot: { count: 0, sum: 1, avg: 1, last: 2 }[aggregate],
        windowUs: null,
        hopUs: null,
        result: aggregate === 'avg' ? double : int,
        nullable: aggregate !== 'count',
      })),
    };
    const reducer = createViewReducer(layout);
    const state = reducer.empty();
    for (const value of [Number.MAX_SAFE_INTEGER, 7]) {
      reducer.apply(state, { ...event(value, value === 7 ? 1 : 0), inputs: [true, value, value] });
    }
    expect(reducer.read(state, 2)).toEqual([2, VALUE_OUT_OF_RANGE, (2 ** 53 + 6) / 2, 7]);
  });

  test('the greatest sums that round into range still fit', () => {
    // Just under half an ulp above the greatest double rounds down to it.
    expect(aggregateOf('sum', double, double, [Number.MAX_VALUE, 2 ** 970, -(2 ** 917)])).toBe(Number.MAX_VALUE);
  });
});

describe('texts', () => {
  const string = { kind: 'string' } as const;
  test('lone surrogates are U+FFFD in memory and bytes alike', () => {
    for (const aggregate of ['min', 'max', 'first', 'last'] as const) {
      expect(aggregateOf(aggregate, string, string, ['\uD800'])).toBe('\uFFFD');
    }
    const reducer = createViewReducer(layoutFor('last', string, string));
    const a = reducer.empty();
    const b = reducer.empty();
    reducer.apply(a, event('x', 0, '\uDC00'));
    reducer.apply(b, event('x', 0, '\uFFFD'));
    expect(hex(reducer.encode(a))).toBe(hex(reducer.encode(b)));
  });

  test('an astral character sorts after every other, as its UTF-8 bytes do', () => {
    expect(aggregateOf('max', string, string, ['\uFFFD', '\u{1F600}', '\uE000'])).toBe('\u{1F600}');
    // JavaScript sorts by UTF-16, the other way round.
    expect(['\u{1F600}', '\uFFFD'].toSorted()).toEqual(['\u{1F600}', '\uFFFD']);
  });

  test('ids that tie in time sort by their UTF-8 bytes too', () => {
    const reducer = createViewReducer(layoutFor('last', string, string));
    const state = reducer.empty();
    reducer.apply(state, event('astral', 0, '\u{1F600}'));
    reducer.apply(state, event('basic', 0, '\uFFFD'));
    expect(reducer.read(state, 1)).toEqual(['astral']);
  });

  test('an event without an id is refused where ties break by id', () => {
    const reducer = createViewReducer(layoutFor('last', string, string));
    expect(() => reducer.apply(reducer.empty(), { ...event('x'), id: null })).toThrow(/without an id/);
  });
});

describe('ratios and their roots', () => {
  const spread = (aggregate: AggregateName, input: ScalarType, values: readonly ScalarValue[]) =>
    aggregateOf(aggregate, input, double, values);

  test('are those of the oracle, at every edge of the doubles', () => {
    const edges = [
      0,
      5e-324,
      1e-200,
      2 ** -537,
      1e-160,
      0.1,
      1 / 3,
      1,
      3,
      2 ** 53,
      94_906_266,
      1e150,
      1e154,
      1.4e154,
      1e300,
      Number.MAX_VALUE,
    ];
    const values = fc.array(
      fc.oneof(
        fc.constantFrom(...edges, ...edges.map((edge) => 0 - edge)),
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.integer({ min: -5, max: 5 }),
      ),
      { minLength: 1, maxLength: 6 },
    );
    fc.assert(
      fc.property(values, (given) => {
        const inputs = given.map((value) => value + 0);
        for (const aggregate of ['variance', 'stddev'] as const) {
          const exact = aggregate === 'variance' ? exactVariance : exactStddev;
          const expected = exact({ kind: 'double' }, inputs, false);
          expect(asOracle([spread(aggregate, double, inputs)])).toEqual([expected]);
        }
      }),
      lawRuns(400),
    );
  });

  test('by hand: exact roots, both sides of a middle, a deviation that fits where its variance does not', () => {
    expect(spread('stddev', int, [1, 3, 5])).toBe(2);
    expect(spread('variance', int, [0, 1, 1])).toBe(1 / 3);
    expect(spread('stddev', int, [0, 1, 1])).toBe(0.5773502691896257);
    expect(spread('variance', int64, [2n ** 62n, 2n ** 62n + 1n])).toBe(0.5);
    expect(spread('variance', cents, ['0.10', '0.30'])).toBe(0.02);
    expect(spread('variance', double, [1e200, -1e200])).toBe(VALUE_OUT_OF_RANGE);
    expect(spread('stddev', double, [1e200, 0])).toBe(7.071067811865475e199);
    expect(spread('variance', double, [1])).toBe(null);
  });

  test('a sum of squares is the same bytes whatever lanes it went through', () => {
    const layout = layoutFor('variance', double, double);
    const reducer = createViewReducer(layout);
    const one = fc.constantFrom(1, 3, 94_906_265, -94_906_265, 94_906_267, 0.5, 0.1, 2 ** 60, 2 ** -600, 0);
    fc.assert(
      fc.property(fc.array(one, { maxLength: 12 }), fc.nat(), (values, seed) => {
        const stateIn = (order: readonly number[]): string => {
          const state = reducer.empty();
          for (const value of order) reducer.apply(state, event(value, 0));
          return Buffer.from(reducer.encode(state)).toString('hex');
        };
        const turned = [...values.slice(seed % (values.length + 1)), ...values.slice(0, seed % (values.length + 1))];
        expect(stateIn(turned)).toBe(stateIn(values));
        expect(stateIn(values.toReversed())).toBe(stateIn(values));
      }),
      lawRuns(300),
    );
  });
});

test('a default stands in place of null, and of no error', () => {
  const layout = layoutFor('sum', { kind: 'int' }, { kind: 'int' });
  const reducer = createViewReducer({ ...layout, features: [{ ...layout.features[0]!, default: 5 }] });
  const state = reducer.empty();
  expect(reducer.read(state, 1)).toEqual([5]);
  reducer.apply(state, event(null));
  expect(reducer.read(state, 1)).toEqual([5]);
  reducer.apply(state, event(0));
  expect(reducer.read(state, 1)).toEqual([0]);
  reducer.apply(state, event(Number.MAX_SAFE_INTEGER, 0, '2'));
  reducer.apply(state, event(1, 0, '3'));
  expect(reducer.read(state, 1)).toEqual([VALUE_OUT_OF_RANGE]);
});
