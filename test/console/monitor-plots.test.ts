/** How values were, by hour and by segment, as the monitors have it: on the pages of features and sources, and to whom. */
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { MonitorBucket } from '../../engine/monitors/monitor-bucket.ts';
import { bucketOf } from '../../engine/reduce/quantile-buckets.ts';
import { saveModelBaseline } from '../../engine/monitors/model-baseline.ts';
import { runSql } from '../../engine/postgres/run-sql.ts';
import { CATALOG } from '../../engine/postgres/schemas.ts';
import { sqlText } from '../../engine/postgres/sql.ts';
import { writeBuckets } from '../../engine/monitors/write-buckets.ts';
import { type RunningApi, startApi } from '../../serving/start-api.ts';
import { fixedClock, NOW_US } from '../online/online-fixture.ts';
import { type ConsoleWorld, openConsoleWorld, PLANTED } from './console-world.ts';

const bin = bucketOf(6);
const HOUR_MS = 3_600_000;
const LAST_MS = Math.floor(NOW_US / 1000 / HOUR_MS) * HOUR_MS;
let world: ConsoleWorld;
let api: RunningApi;

/** Of 100 values each hour `nulls` are not there, and the others are `mean` on average. */
function bucket(
  of: Pick<MonitorBucket, 'place' | 'object' | 'field' | 'segment'>,
  hour: number,
  nulls: number,
  mean = 2,
): MonitorBucket {
  return {
    ...of,
    grain: 'hour',
    beginMs: LAST_MS - hour * HOUR_MS,
    count: 100,
    values: {
      nulls,
      numbers: { sum: (100 - nulls) * mean, squares: 0, zeros: 0 },
      bins: new Map([
        [bin(mean), Math.min(40, 100 - nulls)],
        [bin(3 * mean), Math.max(0, 60 - nulls)],
      ]),
      top: null,
      distinct: 12,
    },
    records: null,
  };
}

beforeAll(async () => {
  world = await openConsoleWorld(inject('stack').databaseUrl);
  const feature = { place: 'store', object: 'shop_sales', field: 'pieces_7d' } as const;
  const records = (hour: number): MonitorBucket => ({
    place: 'source',
    object: 'sales',
    field: null,
    segment: null,
    grain: 'hour',
    beginMs: LAST_MS - hour * HOUR_MS,
    count: 1_000,
    values: null,
    records: {
      invalid: new Map([[`bad ${PLANTED}`, 3]]),
      leftOut: new Map([['late', 2]]),
      lagSumMs: 5_000_000,
      found: null,
    },
  });
  const buckets = Array.from({ length: 30 }, (_, hour) => [
    bucket({ ...feature, segment: null }, hour, 10),
    bucket({ ...feature, segment: { name: 'shop', value: PLANTED } }, hour, 80, 7),
    bucket({ ...feature, segment: { name: 'shop', value: 'north' } }, hour, 0),
    records(hour),
    bucket({ place: 'source', object: 'sales', field: 'pieces', segment: null }, hour, 25),
  ]).flat();
  // A week before there were fewer nulls, and north had other values.
  const weekBefore = Array.from({ length: 24 }, (_, hour) => [
    bucket({ ...feature, segment: null }, 168 + hour, 0),
    bucket({ ...feature, segment: { name: 'shop', value: PLANTED } }, 168 + hour, 0, 7),
    bucket({ ...feature, segment: { name: 'shop', value: 'north' } }, 168 + hour, 0),
  ]).flat();
  await writeBuckets(world.pool, [...buckets, ...weekBefore]);
  api = await startApi({ pool: world.pool, definitions: world.definitions, clock: fixedClock });
});
afterAll(async () => {
  await api.close();
  await world.close();
});

const page = async (path: string): Promise<string> => (await fetch(api.url + path)).text();
const words = (text: string): string => text.replaceAll(/<[^>]*>/g, ' ').replaceAll(/\s+/g, ' ');

it('a feature: coverage, mean and distribution, and its segments with the least covered first', async () => {
  const text = await page('/console/views/shop_sales/features/pieces_7d');
  const said = words(text);
  expect(said).toContain('coverage: between 90.0 % and 100.0 %, last 90.0 %');
  expect(said).toContain('mean: between 2 and 2, last 2');
  expect(said).toContain('distinct, about: between 12 and 12, last 12');
  expect(text).toMatch(
    /Values of the newest day: most, \d+\.\d % between [\d,.]+ and [\d,.]+; outlined: the same hours a week before/,
  );
  expect(text).toMatch(/nine of ten values, half of them, the median: between [\d,.]+ and [\d,.]+; last median/);
  expect(text).toContain('By segment over the newest two days, the most values first: shop = ');
  expect(said).toMatch(/From the same hours a week before it is 0\.0\d+ apart by Jensen-Shannon, 0\.0\d+ by PSI/);
  expect(said).toContain('the same: millrace monitor show shop_sales --field pieces_7d --place store');
  expect(said.indexOf('shop = &lt;img')).toBeLessThan(said.indexOf('shop = north'));
  expect(said).toMatch(/shop = &lt;img[^|]*? 3,000 20\.0 % 7 /);
  expect(said).toContain('shop = north 3,000 100.0 % 2');
  expect(text).not.toContain('<img');
  expect(words(await page('/console/views/shop_sales/features/sales_1d'))).toContain('Nothing of it is monitored yet.');
});

it('a feature beside the training set of the champion that reads it, and not beside one of another feature of its name', async () => {
  const { pool } = world;
  const column = 'shop_sales__pieces_7d';
  const signature = { request: [], features: [{ column, block: 'shop_sales', feature: 'pieces_7d', type: 'double' }] };
  const trainedAs = async (tag: string): Promise<void> => {
    await runSql(
      pool,
      sqlText`UPDATE ${CATALOG}.model_version SET service = 'shop_model', features = ${JSON.stringify({ shop_sales: { pieces_7d: tag } })}::jsonb,
        signature = ${JSON.stringify(signature)}::jsonb WHERE model = 'late'`,
    );
  };
  await runSql(
    pool,
    sqlText`UPDATE ${CATALOG}.view_version SET tags = '{"features": {"pieces_7d": "same"}}' WHERE view = 'shop_sales'`,
  );
  const feature = { nulls: 50, sum: 450, squares: 900, zeros: 0, bins: `${bin(2)}:300 ${bin(6) - bin(2)}:150` };
  // That of the fixture is of another feature.
  await runSql(pool, sqlText`DELETE FROM ${CATALOG}.model_baseline WHERE model = 'late'`);
  await saveModelBaseline(
    pool,
    { model: 'late', version: 1 },
    { rows: 500, sketchBits: 6, features: { [column]: feature } },
  );
  const own = await startApi({ pool, definitions: world.definitions, clock: fixedClock });
  const pageOf = async (): Promise<string> =>
    (await fetch(`${own.url}/console/views/shop_sales/features/pieces_7d`)).text();
  try {
    await trainedAs('same');
    expect(words(await pageOf())).toContain('training set 500 90.0 % 1');
    expect(words(await pageOf())).toContain('Nothing that the service answered is monitored yet.');
    const served = { place: 'served', object: 'shop_model', field: 'shop_sales.pieces_7d', segment: null } as const;
    await writeBuckets(pool, [bucket(served, 0, 40, 8)]);
    const said = words(await pageOf());
    expect(said).toContain('late, version 1 , the champion, by service shop_model');
    expect(said).toContain('training set 500 90.0 % 1 served, the newest day 100 60.0 % 8');
    expect(said).toMatch(/They are [01](?:\.\d+)? apart by Jensen-Shannon, \d\S* by PSI/);
    expect(said).toContain('outlined: the training set');
    expect(said).toContain('millrace monitor show shop_model --field shop_sales.pieces_7d --place served');
    await trainedAs('another');
    expect(words(await pageOf())).toContain('it was trained on another feature of this name than is served');
  } finally {
    await own.close();
  }
});

it('coverage and drift of a view: the worst first, by feature and segment, beside the week before', async () => {
  const text = await page('/console/views/shop_sales/quality');
  const said = words(text);
  expect(said).toContain(
    '1 of 1 features feature values coverage was mean was Jensen-Shannon PSI pieces_7d 2,400 90.0 % 100.0 % 2 2',
  );
  expect(text).toContain('<span class="bad">90.0 %</span>');
  expect(text).toMatch(/aria-label="coverage 20\.0 %, was 100\.0 %, moved 0\.\d+"/);
  const segments = said.slice(said.indexOf('Features by segment'));
  expect(segments).toMatch(
    /pieces_7d shop = &lt;img.*? 2,400 20\.0 % 100\.0 % 7 7 .*pieces_7d shop = north 2,400 100\.0 % 100\.0 % 2 2 0 0/,
  );
  expect(text).not.toContain('<img');
  expect(words(await page('/console/views/product_sales/quality'))).toContain('Nothing of it is monitored yet.');
  expect((await fetch(`${api.url}/console/views/none/quality`)).status).toBe(404);
});

it('a source: volume, what was not taken and why, and the coverage of its fields', async () => {
  const text = await page('/console/sources/sales?field=pieces');
  const said = words(text);
  expect(said).toContain('records: between 1,000 and 1,000, last 1,000');
  expect(said).toContain('invalid: between 3 and 3, last 3');
  expect(said).toContain('behind the broker, on average: between 5 s and 5 s, last 5 s');
  expect(said).toMatch(/bad &lt;img.*? 72 late 48/);
  expect(said).toContain('pieces int 75.0 % what breaks');
  expect(said).toContain('Values of pieces over time');
  expect(said).toContain('the same: millrace monitor show sales ');
  expect(text).not.toContain('<img');
});
