/** What is kept of series between buckets, week after week. */
import type pg from 'pg';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import type { SeriesResult } from '../../engine/alerts/evaluate-bucket.ts';
import { NO_MEMORY } from '../../engine/alerts/judge-series.ts';
import { readSeries, writeSeries } from '../../engine/alerts/series-store.ts';
import { subjectKey } from '../../engine/alerts/subject-text.ts';
import { openStreamDatabase } from '../stream/stream-fixture.ts';

const HOUR_MS = 3_600_000;
const WEEK_MS = 168 * HOUR_MS;
const NOON_MS = Date.UTC(2001, 0, 1, 12);
const NIGHT_MS = Date.UTC(2001, 0, 1, 3);
const subject = {
  place: 'source',
  object: 'flights',
  field: null,
  segment: { name: 'partition', value: '2' },
} as const;
const SERIES = subjectKey(subject);

let database: Awaited<ReturnType<typeof openStreamDatabase>>;
let pool: pg.Pool;
beforeAll(async () => {
  database = await openStreamDatabase(inject('stack').databaseUrl);
  ({ pool } = database);
});
afterAll(() => database.close());

/** An hour of the series in which so many records came. */
async function hour(beginMs: number, count: number): Promise<void> {
  const figures = { beginMs, count, values: { volume: count }, numbers: null };
  const result: SeriesResult = { subject, figures, memory: NO_MEMORY, judged: new Map() };
  await writeSeries(pool, 'hour', beginMs, new Map([[SERIES, result]]), await readSeries(pool, 'hour', beginMs));
}

const countsAt = async (beginMs: number): Promise<number[] | undefined> =>
  (await readSeries(pool, 'hour', beginMs)).get(SERIES)?.past.map(({ count }) => count);

test('a series that sleeps at night keeps its days, and goes once it had nothing at any hour for eight weeks', async () => {
  for (let week = 0; week < 12; week++) {
    await hour(NIGHT_MS + week * WEEK_MS, 0);
    await hour(NOON_MS + week * WEEK_MS, 100 + week);
  }
  expect(await countsAt(NOON_MS + 12 * WEEK_MS)).toEqual([111, 110, 109, 108, 107, 106, 105, 104]);
  expect(await countsAt(NIGHT_MS + 12 * WEEK_MS)).toEqual(new Array(8).fill(0));
  for (let week = 12; week < 20; week++) {
    expect(await countsAt(NOON_MS + week * WEEK_MS)).toBeDefined();
    await hour(NIGHT_MS + week * WEEK_MS, 0);
    await hour(NOON_MS + week * WEEK_MS, 0);
  }
  expect(await countsAt(NOON_MS + 20 * WEEK_MS)).toBeUndefined();
});
