/** The oracle's exact results against values derived by hand. */
import { describe, expect, test } from 'vitest';
import { exactAvg, exactStddev, exactSum, exactVariance, OUT_OF_RANGE } from './exact.ts';
import { compareByType } from './order.ts';

const DOUBLE = { kind: 'double' } as const;
const INT = { kind: 'int' } as const;
const INT64 = { kind: 'int64' } as const;
const CENTS = { kind: 'decimal', scale: 2 } as const;

describe('sums of doubles', () => {
  test.for([
    ['what cancels leaves what is small', [1e308, 1, -1e308], 1],
    ['an overflow on the way is none', [1.7e308, 1.7e308, -1.7e308, -1.7e308, 5], 5],
    // The three doubles add up to 0.3000000000000000166…; next to it lies 0.30000000000000004441, not 0.3.
    ['rounded once', [0.1, 0.2], 0.30000000000000004],
    // 2^53 + 1 lies between two doubles: to the even one. With 2^-1074 more it lies above the middle.
    ['a tie goes to the even', [2 ** 53, 1], 2 ** 53],
    ['a tie goes to the even, upwards', [2 ** 53 + 2, 1], 2 ** 53 + 4],
    ['above the middle', [2 ** 53, 1, 5e-324], 2 ** 53 + 2],
    ['below zero the same', [-(2 ** 53), -1, -5e-324], -(2 ** 53) - 2],
    ['subnormals', [5e-324, 5e-324], 1e-323],
    ['zeros of both signs', [-0, -0], 0],
    ['the greatest', [Number.MAX_VALUE, 2 ** 969], Number.MAX_VALUE],
    // Half a last place above the greatest double: the next would be 2^1024.
    ['beyond the greatest', [Number.MAX_VALUE, 2 ** 970], OUT_OF_RANGE],
    ['nothing', [], null],
  ] as const)('%s', ([, values, sum]) => {
    expect(exactSum(DOUBLE, values)).toBe(sum);
    expect(exactSum(DOUBLE, values.toReversed())).toBe(sum);
  });

  test('agree with exact integers', () => {
    expect(exactSum(DOUBLE, [3, 2 ** 60, -7, 0.5, -0.25])).toBe(2 ** 60 - 0);
    expect(exactSum(DOUBLE, [0.5, 0.25, 0.125])).toBe(0.875);
  });
});

test('sums of integers and decimals fit their type or say so', () => {
  const most = 2n ** 63n - 1n;
  expect(exactSum(INT64, [most, 1n, -1n])).toBe(most);
  expect(exactSum(INT64, [most, 1n])).toBe(OUT_OF_RANGE);
  expect(exactSum(INT64, [-most, -1n])).toBe(-(2n ** 63n));
  expect(exactSum(INT64, [-most, -2n])).toBe(OUT_OF_RANGE);
  expect(exactSum(INT, [Number.MAX_SAFE_INTEGER, 1, -1])).toBe(Number.MAX_SAFE_INTEGER);
  expect(exactSum(INT, [-Number.MAX_SAFE_INTEGER, -1])).toBe(OUT_OF_RANGE);
  expect(exactSum(CENTS, ['0.05', '-1.00', '0.90'])).toBe('-0.05');
  expect(exactSum(CENTS, ['-0.50', '0.50'])).toBe('0.00');
  const whole = { kind: 'decimal', scale: 0 } as const;
  expect(exactSum(whole, ['9'.repeat(38)])).toBe('9'.repeat(38));
  expect(exactSum(whole, ['9'.repeat(38), '1'])).toBe(OUT_OF_RANGE);
});

describe('variance and deviation', () => {
  test('over n - 1, or n of a population; null below two values, or one', () => {
    expect(exactVariance(INT, [2, 4, 4, 4, 5, 5, 7, 9], true)).toBe(4);
    expect(exactStddev(INT, [2, 4, 4, 4, 5, 5, 7, 9], true)).toBe(2);
    expect(exactVariance(INT, [1, 2, 4], false)).toBe(7 / 3);
    expect(exactVariance(CENTS, ['0.10', '0.30'], false)).toBe(0.02);
    expect(exactStddev(CENTS, ['0.10', '0.30'], true)).toBe(0.1);
    expect([1, 2].map((n) => exactVariance(INT, Array(n).fill(7), false))).toEqual([null, 0]);
    expect([0, 1].map((n) => exactVariance(INT, Array(n).fill(7), true))).toEqual([null, 0]);
  });

  test('what a difference of rounded sums would lose is there', () => {
    // Of 2^53, 2^53 + 2 and 2^53 + 4 the squares have 107 bits.
    expect(exactVariance(DOUBLE, [2 ** 53, 2 ** 53 + 2, 2 ** 53 + 4], false)).toBe(4);
    expect(exactVariance(INT64, [2n ** 62n, 2n ** 62n + 1n], false)).toBe(0.5);
  });

  test('rounded once: 1/3 of the sample {0, 1, 1}, and its root', () => {
    expect(exactVariance(INT, [0, 1, 1], false)).toBe(1 / 3);
    // The root of 1/3 is 0.577350269189625764509…; next to it lies 0.57735026918962573, not …584.
    expect(exactStddev(INT, [0, 1, 1], false)).toBe(0.5773502691896257);
  });

  test('a deviation may fit where the variance does not, and the least of all', () => {
    expect(exactVariance(DOUBLE, [1e200, -1e200], false)).toBe(OUT_OF_RANGE);
    expect(exactStddev(DOUBLE, [1e200, -1e200], true)).toBe(1e200);
    expect(exactStddev(DOUBLE, [Number.MAX_VALUE, -Number.MAX_VALUE], false)).toBe(OUT_OF_RANGE);
    expect(exactVariance(DOUBLE, [5e-324, -5e-324], true)).toBe(0);
    expect(exactStddev(DOUBLE, [5e-324, -5e-324], true)).toBe(5e-324);
  });
});

test('an average is the rounded sum, divided once', () => {
  expect(exactAvg(INT, [1, 2, 2])).toBe(5 / 3);
  // 2^53 + 1 rounds to 2^53 before it is divided.
  expect(exactAvg(INT64, [2n ** 53n, 1n])).toBe(2 ** 52);
  expect(exactAvg(INT64, [2n ** 63n - 1n, 2n ** 63n - 1n])).toBe(2 ** 63);
  expect(exactAvg(CENTS, ['0.10', '0.20'])).toBe(0.15);
  expect(exactAvg(DOUBLE, [-5e-324, 0])).toBe(0);
  expect(Object.is(exactAvg(DOUBLE, [-5e-324, 0]), 0)).toBe(true);
  expect(exactAvg(DOUBLE, [Number.MAX_VALUE, Number.MAX_VALUE])).toBe(OUT_OF_RANGE);
  expect(exactAvg(DOUBLE, [])).toBe(null);
});

test('order by type', () => {
  const order = (type: Parameters<typeof compareByType>[0], a: string | number | bigint, b: string | number | bigint) =>
    Math.sign(compareByType(type, a, b));
  expect(order(INT, 9, 10)).toBe(-1);
  expect(order({ kind: 'string' }, '9', '10')).toBe(1);
  expect(order(INT64, -(2n ** 62n), 3n)).toBe(-1);
  expect(order(CENTS, '9.50', '10.00')).toBe(-1);
  expect(order(CENTS, '-9.50', '-10.00')).toBe(1);
  // U+FFFD is EF BF BD, U+1F600 is F0 9F 98 80; as UTF-16 the surrogate comes first.
  expect(order({ kind: 'string' }, '\uFFFD', '\u{1F600}')).toBe(-1);
  expect(order({ kind: 'string' }, 'a', 'ab')).toBe(-1);
});
