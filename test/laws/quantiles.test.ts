/** What `quantiles` and `median` promise: how far from the exact answer they may be, and what becomes of too many buckets. */
import { DDSketch } from '@datadog/sketches-js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readQuantiles } from '../../engine/define/read-quantiles.ts';
import { ENGINE_SEMANTICS, type ViewLayout } from '../../engine/define/view-layout.ts';
import type { PreparedEvent } from '../../engine/define/compiled-view.ts';
import { featureBuilder } from '../../engine/define/feature-builder.ts';
import { isMillraceError } from '../../engine/errors/millrace-error.ts';
import { fixedOfDouble } from '../../engine/reduce/dyadic.ts';
import { bucketOf, middleOf, mostBuckets } from '../../engine/reduce/quantile-buckets.ts';
import { rankOf } from '../../engine/reduce/quantile-rank.ts';
import { createViewReducer } from '../../engine/state/create-view-reducer.ts';
import { TOO_MANY_DISTINCT } from '../../engine/values/cell.ts';
import { hex, stateOf } from './engine-reads.ts';
import { lawRuns } from './law-seed.ts';

const allBits = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

/** Any finite double, as likely near 0 and near the greatest as anywhere. */
const anyDouble = fc
  .tuple(
    fc.boolean(),
    fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 2046 }), fc.constantFrom(1, 2046)),
    fc.bigInt({ min: 0n, max: 2n ** 52n - 1n }),
    fc.nat(52),
  )
  .map(([isNegative, exponent, fraction, zeros]) => {
    const view = new DataView(new ArrayBuffer(8));
    view.setBigUint64(0, (BigInt(exponent) << 52n) | (fraction >> BigInt(zeros)));
    return (isNegative ? -1 : 1) * view.getFloat64(0) + 0;
  });

/** Whether |got − exact| ≤ |exact| / parts, without rounding. */
function isNear(got: number, exact: number, parts: bigint): boolean {
  const off = fixedOfDouble(got) - fixedOfDouble(exact);
  const most = fixedOfDouble(Math.abs(exact));
  return (off < 0n ? -off : off) * parts <= most;
}

describe('buckets', () => {
  test.each(allBits)(
    'of 2^%i an octave: the middle is near every double in it, and they ascend with their values',
    (bits) => {
      const bucket = bucketOf(bits);
      const middle = middleOf(bits);
      fc.assert(
        fc.property(anyDouble, anyDouble, (a, b) => {
          const [low, high] = a < b ? [a, b] : [b, a];
          expect(bucket(low)).toBeLessThanOrEqual(bucket(high));
          expect(bucket(-a + 0)).toBe(-bucket(a) + 0);
          const got = middle(bucket(a));
          expect(isNear(got, a, 2n ** BigInt(bits + 1))).toBe(true);
          expect(bucket(got)).toBe(bucket(a));
          if (a !== 0) expect(bucket(a)).not.toBe(0);
        }),
        lawRuns(400),
      );
    },
  );

  test.each([0, 6, 9])('reach from the least double to the greatest: 2^%i', (bits) => {
    const bucket = bucketOf(bits);
    const middle = middleOf(bits);
    expect(bucket(0)).toBe(0);
    expect(middle(0)).toBe(0);
    expect(bucket(Number.MIN_VALUE)).toBe(1);
    expect(middle(1)).toBe(Number.MIN_VALUE);
    expect(bucket(Number.MAX_VALUE)).toBe(2098 * 2 ** bits);
    expect(middle(2098 * 2 ** bits)).toBeLessThan(Number.MAX_VALUE);
    for (const none of [2098 * 2 ** bits + 1, 2 ** 52, -(2 ** 52)]) expect(middle(none)).toBeNaN();
    // The octave of 2 · 2^-1074 has two doubles.
    if (bits > 1)
      expect([0, 1, 2 ** (bits - 1)].map((at) => middle(2 ** bits + 1 + at))).toEqual([1e-323, Number.NaN, 1.5e-323]);
  });
});

test('an accuracy is kept by half the width of a bucket, and by no fewer buckets', () => {
  const f = featureBuilder();
  fc.assert(
    fc.property(fc.double({ min: 0.001, max: 0.5, noNaN: true }), (accuracy) => {
      const { octaveBits } = readQuantiles(f.median('x' as never, { accuracy }), 'x', () => expect.fail())!;
      expect(2 ** -(octaveBits + 1)).toBeLessThanOrEqual(accuracy);
      if (octaveBits > 0) expect(2 ** -octaveBits).toBeGreaterThan(accuracy);
    }),
    lawRuns(200),
  );
  expect(readQuantiles(f.median('x' as never), 'x', () => expect.fail())?.octaveBits).toBe(6);
});

test('a rank is floor(q · (n − 1)) of the shortest decimal, for every q and n', () => {
  const exact = (q: number, n: number): bigint => {
    // In units of 10^-330, of which every such decimal is a whole number.
    const [mantissa = '', exponent = '0'] = String(q).split('e');
    const [whole = '', fraction = ''] = mantissa.split('.');
    return (
      (BigInt(whole + fraction) * 10n ** BigInt(330 + Number(exponent) - fraction.length) * BigInt(n - 1)) / 10n ** 330n
    );
  };
  expect([0.1, 0.29, 0.57, 0.58].map((q) => rankOf(q)(101))).toEqual([10, 29, 57, 58]);
  expect([0, 1, 0.5, 5e-324].map((q) => rankOf(q)(Number.MAX_SAFE_INTEGER))).toEqual([0, 2 ** 53 - 2, 2 ** 52 - 1, 0]);
  fc.assert(
    fc.property(
      fc.oneof(
        fc.integer({ min: 0, max: 1000 }).map((parts) => parts / 1000),
        fc.double({ min: 0, max: 1, noNaN: true }),
      ),
      fc.oneof(fc.integer({ min: 1, max: 2000 }), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })),
      (q, n) => {
        expect(BigInt(rankOf(q + 0)(n))).toBe(exact(q + 0, n));
      },
    ),
    lawRuns(1000),
  );
});

const HOUR_US = 3_600_000_000;

function layoutOf(octaveBits: number, quantiles: readonly number[], tiles: number | null): ViewLayout {
  const hopUs = tiles === null ? null : HOUR_US;
  const windowUs = tiles === null ? null : tiles * HOUR_US;
  const double = { kind: 'double' } as const;
  return {
    semantics: ENGINE_SEMANTICS,
    view: 'v',
    entity: 'e',
    keys: [{ name: 'k', type: { kind: 'string' } }],
    tieBreak: 'offset',
    groups: [{ hopUs, spanUs: windowUs }],
    slots: [{ partial: 'quantiles', input: double, octaveBits, group: 0 }],
    features: [
      {
        name: 'q',
        aggregate: 'quantiles',
        slot: 0,
        windowUs,
        hopUs,
        result: { kind: 'list', item: double },
        nullable: true,
        quantiles,
      },
    ],
  };
}

function event(value: number, eventTimeUs = 0): PreparedEvent {
  return { keyText: 'k', key: ['k'], eventTimeUs, id: null, partition: 0, offset: 0, inputs: [value] };
}

describe('1,000 random sets', () => {
  const uniform = fc.double({ min: 1e-90, max: 1, noNaN: true });
  const shapes: Readonly<Record<string, fc.Arbitrary<number>>> = {
    'any doubles': anyDouble,
    uniform: uniform.map((u) => u * 1000 - 300),
    normal: fc.tuple(uniform, uniform).map(([u, v]) => Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * v)),
    'of a heavy tail': uniform.map((u) => u ** -3),
    'close together': uniform.map((u) => 1e9 + u),
    'whole and small': fc.integer({ min: -3, max: 3 }),
  };
  for (const [name, shape] of Object.entries(shapes)) {
    test(`${name}: every quantile within the accuracy of the exact one`, () => {
      fc.assert(
        fc.property(
          fc.array(shape, { minLength: 1, maxLength: 60, size: 'max' }),
          fc.uniqueArray(fc.integer({ min: 0, max: 100 }), { minLength: 1, maxLength: 4 }),
          fc.constantFrom(0, 3, 6, 9),
          fc.boolean(),
          (values, percents, bits, isTiled) => {
            const quantiles = percents.map((percent) => percent / 100);
            const reducer = createViewReducer(layoutOf(bits, quantiles, isTiled ? 24 : null));
            const state = stateOf(
              reducer,
              values.map((value, at) => event(value, (at % 24) * HOUR_US)),
            );
            const got = JSON.parse(reducer.read(state, 24 * HOUR_US - 1)[0] as string) as number[];
            const sorted = values.toSorted((a, b) => a - b);
            for (const [at, percent] of percents.entries()) {
              const exact = sorted[Math.floor((percent * (values.length - 1)) / 100)]!;
              if (!isNear(got[at]!, exact, 2n ** BigInt(bits + 1)))
                expect.fail(`quantile ${percent}/100 of ${values.join(', ')}: ${got[at]} is not near ${exact}`);
            }
          },
        ),
        lawRuns(1000),
      );
    });
  }
});

test('the published DDSketch, of the same accuracy and the same sets, is as near', () => {
  const bits = 6;
  const accuracy = 2 ** -(bits + 1);
  // Ranks that are exact as its doubles have them: of others, as 0.29 · 100, it takes the one before.
  const quantiles = [0, 0.25, 0.5, 0.75, 1];
  const reducer = createViewReducer(layoutOf(bits, quantiles, null));
  const value = fc
    .tuple(fc.constantFrom(-1, 0, 1, 1), fc.double({ min: -12, max: 12, noNaN: true }))
    .map(([sign, power]) => sign * Math.exp(power) + 0);
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 80, size: 'max' }), (values) => {
      const published = new DDSketch({ relativeAccuracy: accuracy });
      for (const each of values) published.accept(each);
      const read = reducer.read(
        stateOf(
          reducer,
          values.map((each) => event(each)),
        ),
        1,
      );
      const got = JSON.parse(read[0] as string) as number[];
      const sorted = values.toSorted((a, b) => a - b);
      for (const [at, q] of quantiles.entries()) {
        const exact = sorted[Math.floor(q * (values.length - 1))]!;
        expect(isNear(got[at]!, exact, 2n ** BigInt(bits + 1))).toBe(true);
        // It goes by logarithms, which are rounded.
        const theirs = published.getValueAtQuantile(q);
        expect(Math.abs(theirs - exact)).toBeLessThanOrEqual(Math.abs(exact) * accuracy * (1 + 1e-9));
        expect(Math.abs(theirs - got[at]!)).toBeLessThanOrEqual(Math.abs(exact) * 2 * accuracy * (1 + 1e-9));
      }
    }),
    lawRuns(1000),
  );
});

describe('more buckets than there may be', () => {
  const most = mostBuckets(0);
  const reducer = createViewReducer(layoutOf(0, [0, 1], 2));
  const values = Array.from({ length: most + 1 }, (_, at) => 2 ** (at - 20));
  const refusal = (bytes: string): string | null => {
    try {
      reducer.decode(Buffer.from(bytes, 'hex'));
      return null;
    } catch (error) {
      return isMillraceError(error) ? error.code : String(error);
    }
  };

  test('exactly as many are allowed; one more is an error, in one tile and over the tiles of a window', () => {
    const full = stateOf(
      reducer,
      values.slice(0, most).map((value) => event(value)),
    );
    expect(reducer.read(full, 1)[0]).toBe(`[${1.5 * 2 ** -20},${1.5 * 2 ** (most - 21)}]`);
    const beyond = stateOf(
      reducer,
      values.map((value) => event(value)),
    );
    expect(reducer.read(beyond, 1)[0]).toBe(TOO_MANY_DISTINCT);
    const spread = stateOf(
      reducer,
      values.map((value, at) => event(value, at % 2 === 0 ? 0 : HOUR_US)),
    );
    expect(reducer.read(spread, HOUR_US + 1)[0]).toBe(TOO_MANY_DISTINCT);
    // The first tile lies behind the window.
    expect(reducer.read(spread, 3 * HOUR_US)[0]).toBe(`[${1.5 * 2 ** -19},${1.5 * 2 ** (most - 21)}]`);
  });

  test('a tile beyond keeps only that, whatever the order, the split and the merge', () => {
    const beyond = hex(
      reducer.encode(
        stateOf(
          reducer,
          values.map((value) => event(value)),
        ),
      ),
    );
    expect(beyond).toHaveLength(2 * (5 + 1 + 1 + 1 + 1));
    expect(hex(reducer.encode(reducer.decode(Buffer.from(beyond, 'hex'))))).toBe(beyond);
    fc.assert(
      fc.property(
        fc.shuffledSubarray(values, { minLength: values.length }),
        fc.nat(most),
        fc.boolean(),
        (order, cut, more) => {
          const [left, right] = [order.slice(0, cut), order.slice(cut)].map((part) =>
            stateOf(
              reducer,
              part.map((value) => event(value)),
            ),
          );
          const merged = reducer.decode(reducer.encode(left!));
          reducer.mergeInto(merged, right!);
          if (more) reducer.apply(merged, event(order[0]!));
          expect(hex(reducer.encode(merged))).toBe(beyond);
          reducer.mergeInto(right!, merged);
          expect(hex(reducer.encode(right!))).toBe(beyond);
        },
      ),
      lawRuns(60),
    );
  });

  test('of bytes that nobody writes none is read', () => {
    const sound = hex(reducer.encode(stateOf(reducer, [event(1), event(4)])));
    // Two buckets, s(1075), 1 value, then 2 octaves on, 1 value.
    expect(sound).toMatch(/03e610010101$/);
    for (const [part, broken] of [
      ['03e610010101', '03e610000101'],
      ['03e610010101', '02e61000'],
      ['03e610010101', '03e61001ff7f01'],
      ['03e610010101', '42e61001'],
      ['03e610010101', '04e610010101'],
    ] as const)
      expect([broken, refusal(sound.replace(new RegExp(`${part}$`), broken))]).toEqual([broken, 'state-corrupt']);
    const fine = createViewReducer(layoutOf(6, [0], null));
    const least = hex(fine.encode(stateOf(fine, [event(Number.MIN_VALUE)])));
    expect(least).toMatch(/020201$/);
    // The least octave has one double, and no second bucket.
    expect(() => fine.decode(Buffer.from(least.replace(/020201$/, '020401'), 'hex'))).toThrow(/no such bucket/);
  });
});
