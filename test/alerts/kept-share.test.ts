import { expect, test } from 'vitest';
import { evaluateBucket } from '../../engine/alerts/evaluate-bucket.ts';
import type { Figures } from '../../engine/alerts/figures.ts';
import { NO_MEMORY } from '../../engine/alerts/judge-series.ts';
import type { MonitorBucket } from '../../engine/monitors/monitor-bucket.ts';

const HOUR_MS = 3_600_000;
const NOON_MS = Date.parse('2026-06-01T12:00Z');
const subject = { place: 'view', object: 'delays', field: null, segment: null } as const;

function hour(offered: number, leftOut: Readonly<Record<string, number>>): MonitorBucket {
  const out = new Map(Object.entries(leftOut));
  const count = offered - [...out.values()].reduce((sum, each) => sum + each, 0);
  const records = { invalid: new Map(), leftOut: out, lagSumMs: 0, found: null };
  return { ...subject, grain: 'hour', beginMs: NOON_MS, count, values: null, records };
}

/** Eight weeks in which three of a hundred records were not kept, give or take one. */
const PAST: readonly Figures[] = Array.from({ length: 8 }, (_, week) => ({
  beginMs: NOON_MS - (week + 1) * 168 * HOUR_MS,
  count: 900,
  values: { kept: 0.97 + 0.01 * ((week % 3) - 1), 'left-out': 0.01 },
  numbers: null,
}));

const deviationsOf = (bucket: MonitorBucket, past = PAST) =>
  evaluateBucket('hour', NOON_MS, [
    { subject, bucket, reference: [], past, memory: NO_MEMORY, isTested: true },
  ]).deviations.map(({ statistic, value, usual }) => ({ statistic, value, usual }));

test('a view that keeps more or fewer of its records is an alarm, one that keeps as many is none', () => {
  expect(deviationsOf(hour(900, { where: 27 }))).toEqual([]);
  expect(deviationsOf(hour(900, { where: 36, late: 9 }))).toEqual([]);
  const [fewer] = deviationsOf(hour(900, { where: 270 }));
  expect(fewer).toEqual({ statistic: 'kept', value: 0.7, usual: expect.closeTo(0.97) });
  const strict = PAST.map((each) => ({ ...each, values: { ...each.values, kept: each.values.kept! - 0.5 } }));
  expect(deviationsOf(hour(900, { where: 27 }), strict)).toMatchObject([{ statistic: 'kept', value: 0.97 }]);
});

test('records that fail, come late or have no key are left out, whatever `where` keeps', () => {
  const out = deviationsOf(hour(900, { where: 27, failed: 100, 'no-key': 50 }));
  expect(out).toMatchObject([{ statistic: 'left-out', value: 150 / 900 }]);
});

test('a few records tell nothing, nor do as many of none', () => {
  expect(deviationsOf(hour(29, { where: 29 }))).toEqual([]);
  expect(deviationsOf(hour(0, {}))).toEqual([]);
});
