import { describe, expect, test } from 'vitest';
import { bounded, boundedJson } from '../../workflows/bounded.ts';

describe('what crosses to Temporal', () => {
  test('is left as it is where it fits', () => {
    expect(bounded('x'.repeat(2_000))).toBe('x'.repeat(2_000));
    const details = { a: [1, 'two', null], b: { c: true } };
    expect(boundedJson(details)).toEqual(details);
    expect(boundedJson({ big: 2n ** 70n })).toEqual({ big: '1180591620717411303424' });
  });

  test('keeps the beginning and the end of a long text, and says how much is left out', () => {
    const text = `begin ${'x'.repeat(3_000_000)} end`;
    const short = bounded(text);
    expect(short.length).toBeLessThan(2_100);
    expect(short).toMatch(/^begin x+ … \[2998010 characters left out\] … x+ end$/);
  });

  test('keeps the first entries of lists and objects, at any depth, and says how many are left out', () => {
    const faults = Array.from({ length: 2_000 }, (_, n) => ({ message: 'm'.repeat(10_000), n }));
    const short = boundedJson({ faults, deep: [[[[[[[[1]]]]]]]] });
    expect(JSON.stringify(short).length).toBeLessThan(16_001);
    expect((short as { faults: unknown[] }).faults.at(-1)).toBe('… 1980 more');
    const wide = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`f${n}`, n]));
    expect(boundedJson(wide)).toMatchObject({ f0: 0, '…': '30 more' });
  });

  test('gives up details that are still too large, and says so', () => {
    const wide = Object.fromEntries(
      Array.from({ length: 20 }, (_, n) => [`f${n}`, Array.from({ length: 20 }, () => 'x'.repeat(500))]),
    );
    expect(boundedJson(wide)).toEqual({ leftOut: expect.stringMatching(/^\d{6} characters of details$/) as string });
  });
});
