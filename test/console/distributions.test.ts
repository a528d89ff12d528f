/** Quantiles, bars and distances of what a sketch has, against the values themselves; and what the plots say. */
import fc from 'fast-check';
import { html } from 'hono/html';
import { expect, it } from 'vitest';
import { bandPlot } from '../../console/markup/band-plot.ts';
import { boxPlot } from '../../console/markup/box-plot.ts';
import { histogramPlot, shareBars } from '../../console/markup/histogram-plot.ts';
import { smallPlot } from '../../console/markup/small-plot.ts';
import type { Markup } from '../../console/page.ts';
import { histogramOf, quantilesOf } from '../../console/read/distributions.ts';
import { byWeight, driftOf } from '../../console/read/drift.ts';
import { dayAndWeekBefore } from '../../console/read/monitor-series.ts';
import type { MonitorBucket } from '../../engine/monitors/monitor-bucket.ts';
import { bucketOf } from '../../engine/reduce/quantile-buckets.ts';
import { lawSeed } from '../laws/law-seed.ts';

const HOUR_MS = 3_600_000;
const bin = bucketOf(6);

function binsOf(values: readonly number[]): Map<number, number> {
  const bins = new Map<number, number>();
  for (const value of values) bins.set(bin(value), (bins.get(bin(value)) ?? 0) + 1);
  return bins;
}

function bucket(hour: number, values: readonly (number | null)[]): MonitorBucket {
  const known = values.filter((value) => value !== null);
  return {
    place: 'store',
    object: 'v',
    field: 'f',
    segment: null,
    grain: 'hour',
    beginMs: hour * HOUR_MS,
    count: values.length,
    values: {
      nulls: values.length - known.length,
      numbers: { sum: known.reduce((sum, one) => sum + one, 0), squares: 0, zeros: 0 },
      bins: binsOf(known),
      top: null,
      distinct: null,
    },
    records: null,
  };
}

it('quantiles and bars are those of the values, as near as the sketch is', () => {
  const shares = [0.05, 0.25, 0.5, 0.75, 0.95];
  const number = fc.oneof(fc.integer({ min: -5, max: 5 }), fc.double({ min: -1e6, max: 1e6, noNaN: true }));
  fc.assert(
    fc.property(fc.array(number, { minLength: 1, maxLength: 200 }), (values) => {
      const sorted = values.toSorted((a, b) => a - b);
      for (const [at, quantile] of quantilesOf(binsOf(values), shares)!.entries()) {
        const exact = sorted[Math.max(0, Math.ceil(shares[at]! * values.length) - 1)]!;
        expect(Math.abs(quantile - exact)).toBeLessThanOrEqual(Math.abs(exact) / 100);
      }
      const { low, high, now, before } = histogramOf(binsOf(values), null, 30)!;
      expect(now.length).toBeLessThanOrEqual(30);
      expect(low).toBeLessThanOrEqual(high);
      expect(before).toBeNull();
      expect(now.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 9);
    }),
    { seed: lawSeed, numRuns: 300 },
  );
  expect(quantilesOf(new Map(), [0.5])).toBeNull();
  expect(histogramOf(new Map(), null, 30)).toBeNull();
  expect(histogramOf(binsOf([5, 5]), binsOf([5]), 30)).toMatchObject({ now: [1], before: [1] });
  // One odd value does not take the room of all others.
  const odd = histogramOf(binsOf([...Array.from({ length: 999 }, (_, n) => n), 1e12]), null, 30)!;
  expect(odd.high).toBeLessThan(1_010);
});

it('the worst is what lost most coverage or moved most; few values move nothing', () => {
  const usual = Array.from({ length: 500 }, (_, n) => n % 50);
  const same = driftOf([bucket(0, usual)], [bucket(-168, usual)]);
  expect(same).toMatchObject({ coverage: 1, coverageBefore: 1, mean: 24.5, distance: 0, weight: 0 });
  const holes = driftOf(
    [
      bucket(
        0,
        usual.map((value, n) => (n % 2 === 0 ? null : value)),
      ),
    ],
    [bucket(-168, usual)],
  );
  expect(holes.weight).toBeGreaterThanOrEqual(10);
  const moved = driftOf(
    [
      bucket(
        0,
        usual.map((value) => value * 60),
      ),
    ],
    [bucket(-168, usual)],
  );
  expect(moved.distance).toBeGreaterThan(0.5);
  expect(moved.psi).toBeGreaterThan(0.25);
  const few = driftOf([bucket(0, [1, 2, null])], [bucket(-168, usual)]);
  expect(few.weight).toBe(0);
  expect(few.distance).toBeGreaterThan(0);
  expect(driftOf([], [])).toMatchObject({ count: 0, coverage: null, distance: null, weight: 0 });
  expect([same, holes, few, moved].toSorted(byWeight)).toEqual([moved, holes, few, same].toSorted(byWeight));
});

it('a day is held to the same hours a week before', () => {
  const hours = Array.from({ length: 220 }, (_, hour) => bucket(hour, [1]));
  const { day, before } = dayAndWeekBefore(hours);
  expect(day.map(({ beginMs }) => beginMs / HOUR_MS)).toEqual(Array.from({ length: 24 }, (_, n) => 196 + n));
  expect(before.map(({ beginMs }) => beginMs / HOUR_MS)).toEqual(Array.from({ length: 24 }, (_, n) => 28 + n));
  expect(dayAndWeekBefore([])).toEqual({ day: [], before: [] });
});

it('plots say in words what they draw, leave gaps, and have nothing of the data as HTML', async () => {
  const said = async (markup: Markup): Promise<string> => String(await html`${markup}`);
  const points = [0, 1, 2, 3, 4].map((hour) => ({
    us: hour * 3_600_000_000,
    quantiles: hour === 2 ? null : [0, 1, 2, 3, 4],
  }));
  const band = await said(bandPlot('<b>', points));
  expect(band).toContain('&lt;b&gt;: between 0 and 4; last median 2, half within 1 to 3');
  // Two runs, in each of two bands and the line.
  expect(band.match(/M[\d.]+ [\d.]+L/g)).toHaveLength(6);
  expect(await said(bandPlot('t', [{ us: 0, quantiles: null }]))).toContain('t: nothing is known');
  const one = await said(bandPlot('t', [{ us: 0, quantiles: [3, 3, 3, 3, 3] }]));
  expect(one).toContain('<circle');
  expect(one).not.toMatch(/NaN|Infinity/);
  const bars = await said(histogramPlot('t', { low: 0, high: 10, now: [0.25, 0.75], before: [1, 0] }, 'last week'));
  expect(bars).toContain('t: most, 75.0 % between 5 and 10; outlined: last week');
  const shares = await said(shareBars('t', [{ name: '<i>', share: 0.5, before: 0.25 }], 'last week'));
  expect(shares).toContain('t: &lt;i&gt; 50.0 %, was 25.0 %');
  const boxes = await said(
    boxPlot('t', [
      { name: 'a', quantiles: [1, 2, 3, 4, 5] },
      { name: 'b', quantiles: [] },
    ]),
  );
  expect(boxes).toContain('t: a median 3, half within 2 to 4"');
  const share = (us: number, value: number | null) => ({ us, value });
  const small = await said(
    smallPlot('t', [share(10, 1), share(20, null), share(30, 0)], [share(0, 1), share(20, 1)], 'w'),
  );
  expect(small).toContain('aria-label="w"');
  expect(small).toContain('class="before" d="M3 3L207 3"');
  for (const all of [band, bars, shares, boxes, small]) expect(all).not.toMatch(/NaN|Infinity|<b>|<i>|style=/);
});
