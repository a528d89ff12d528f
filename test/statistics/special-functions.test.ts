import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { jStat } from 'jstat';
import { describe, expect, test } from 'vitest';
import { betaDensity, incompleteBeta } from '../../engine/statistics/beta.ts';
import { chiSquareTail } from '../../engine/statistics/chi-square.ts';
import { logGamma, lowerGamma, upperGamma } from '../../engine/statistics/gamma.ts';
import { integrate } from '../../engine/statistics/integrate.ts';
import { normalCdf, normalDensity, normalQuantile } from '../../engine/statistics/normal.ts';
import { student95 } from '../../engine/statistics/student.ts';
import { lawRuns } from '../laws/law-seed.ts';

/** By function rows of its arguments and, last, its value, out of 320 digits: `make-special-vectors.py`. */
const vectors = JSON.parse(readFileSync(new URL('special-vectors.json', import.meta.url), 'utf8')) as Readonly<
  Record<string, readonly (readonly number[])[]>
>;

describe('special functions hold to values worked out with 320 digits', () => {
  test.each([
    // What was measured, and a bit for another machine's logarithms. logGamma is 0 at 1 and 2: there its error is that of 1.
    ['logGamma', logGamma, 4e-15, 2e-15],
    ['normalCdf', normalCdf, 2e-14, 0],
    ['normalQuantile', normalQuantile, 2e-15, 0],
    ['upperGamma', upperGamma, 8e-14, 0],
    ['incompleteBeta', incompleteBeta, 3e-13, 0],
  ] as const)('%s', (name, of: (...of: [number, number, number]) => number, relative, absolute) => {
    const rows = vectors[name]!;
    expect(rows.length).toBeGreaterThan(12);
    const wrong: string[] = [];
    for (const row of rows) {
      const wanted = row.at(-1)!;
      const [x, y, z] = row;
      const got = of(x!, y!, z!);
      if (!(Math.abs(got - wanted) <= Math.abs(wanted) * relative + absolute))
        wrong.push(`${name}(${row.slice(0, -1).join(', ')}) = ${got}, not ${wanted}`);
    }
    expect(wrong).toEqual([]);
  });

  test('where a and b are large, too', () => {
    // By scipy 1.17.1 (Boost).
    expect(incompleteBeta(0.3333, 1e5, 2e5)).toBeCloseTo(0.48472420024960267, 12);
    expect(incompleteBeta(0.01, 1e4, 1e6)).toBeCloseTo(0.8425446061748842, 12);
    expect(incompleteBeta(0.499, 1e6, 1e6)).toBeCloseTo(0.002338849406931976, 14);
  });
});

const shape = fc.double({ min: 0.05, max: 500, noNaN: true });
const share = fc.double({ min: 0.001, max: 0.999, noNaN: true });

describe('special functions hold to those of jstat, to what it is right to', () => {
  test('normal', () => {
    fc.assert(
      fc.property(fc.double({ min: -5, max: 5, noNaN: true }), share, (z, p) => {
        expect(normalCdf(z)).toBeCloseTo(jStat.normal.cdf(z, 0, 1), 12);
        expect(normalQuantile(p)).toBeCloseTo(jStat.normal.inv(p, 0, 1), 8);
        expect(normalCdf(normalQuantile(p))).toBeCloseTo(p, 13);
        expect(normalCdf(z) + normalCdf(-z)).toBeCloseTo(1, 14);
      }),
      lawRuns(300),
    );
  });

  test('gamma', () => {
    fc.assert(
      fc.property(shape, fc.double({ min: 0, max: 5, noNaN: true }), (a, times) => {
        expect(logGamma(a)).toBeCloseTo(jStat.gammaln(a), 8);
        expect(lowerGamma(a, a * times)).toBeCloseTo(jStat.lowRegGamma(a, a * times), 8);
        expect(upperGamma(a, a * times) + lowerGamma(a, a * times)).toBeCloseTo(1, 13);
        expect(logGamma(a + 1) - logGamma(a)).toBeCloseTo(Math.log(a), 10);
        expect(chiSquareTail(a * times, 3)).toBeCloseTo(1 - jStat.chisquare.cdf(a * times, 3), 8);
      }),
      lawRuns(300),
    );
  });

  test('beta', () => {
    fc.assert(
      fc.property(share, shape, shape, (x, a, b) => {
        // Its own continued fraction stops at 3e-7 of the value.
        expect(Math.abs(incompleteBeta(x, a, b) - jStat.ibeta(x, a, b))).toBeLessThan(1e-6);
        expect(incompleteBeta(x, a, b) + incompleteBeta(1 - x, b, a)).toBeCloseTo(1, 12);
        if (a >= 1 && b >= 1) {
          const density = jStat.beta.pdf(x, a, b);
          expect(Math.abs(betaDensity(x, a, b) - density)).toBeLessThanOrEqual(1e-6 * density + 1e-12);
        }
      }),
      lawRuns(300),
    );
    expect([betaDensity(0, 1, 3), betaDensity(1, 1, 3), betaDensity(1, 2, 1), betaDensity(0, 2, 1)]).toEqual([
      3, 0, 2, 0,
    ]);
  });
});

test("95 % of Student's distribution lie where jstat and tables have it", () => {
  for (const degrees of [1, 1.5, 2, 3.7, 10, 30, 99.5, 1000])
    expect(student95(degrees)).toBeCloseTo(jStat.studentt.inv(0.975, degrees), 6);
  expect([1, 2, 10, 30, 120].map((degrees) => student95(degrees).toFixed(4))).toEqual([
    '12.7062',
    '4.3027',
    '2.2281',
    '2.0423',
    '1.9799',
  ]);
  expect(student95(1e6)).toBeCloseTo(1.9599663568, 9);
  expect([student95(Infinity), student95(1e9), student95(0.9)]).toEqual([
    1.959963984540054,
    1.959963984540054,
    Number.NaN,
  ]);
});

test('arguments that have no value give none, ends theirs', () => {
  expect([logGamma(0), logGamma(-1), upperGamma(0, 1), lowerGamma(1, -1), incompleteBeta(1.1, 1, 1)]).toEqual(
    Array.from({ length: 5 }, () => Number.NaN),
  );
  expect([normalQuantile(-0.1), normalQuantile(0), normalQuantile(1)]).toEqual([Number.NaN, -Infinity, Infinity]);
  expect([upperGamma(2, Infinity), lowerGamma(2, Infinity), lowerGamma(2, 0)]).toEqual([0, 1, 0]);
  expect([incompleteBeta(0, 2, 3), incompleteBeta(1, 2, 3)]).toEqual([0, 1]);
});

test('an integral of a polynomial is exact, and of a density its distribution', () => {
  expect(integrate((x) => x ** 19 + x ** 18, [-1, 1])).toBeCloseTo(2 / 19, 14);
  expect(integrate(normalDensity, [-9, -6, -3, 0, 1.2])).toBeCloseTo(normalCdf(1.2), 11);
  expect(integrate((x) => betaDensity(x, 3, 40), [0, 0.05, 0.1, 0.2])).toBeCloseTo(incompleteBeta(0.2, 3, 40), 12);
});
