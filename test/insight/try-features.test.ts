import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { TriedFeature, TryReport } from '../../engine/insight/try-report.ts';
import { blockOf } from '../../engine/define/service-blocks.ts';
import { openDuckDb } from '../../engine/duckdb/duckdb.ts';
import { exportTrainingSet } from '../../engine/training/export-training-set.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { readParquet } from '../training/training-fixture.ts';
import { sale, trial } from './insight-fixture.ts';

const SHOPS = ['north', 'south', 'east'];
const HISTORY = Array.from({ length: 240 }, (_, n) => sale(n, { shop: SHOPS[(n * 7 + (n >> 2)) % 3] }));
/** Each of a shop half an hour after one of its sales, or before any. */
const LABELS = Array.from({ length: 90 }, (_, n) => ({
  shop: n % 30 === 7 ? 'nowhere' : SHOPS[n % 3],
  event_timestamp: new Date(Date.UTC(2026, 2, 1) + n * 7_200_000 + 1_800_000).toISOString(),
  good: n % 30 === 8 ? null : (n * 7) % 5 < 2,
  score: (n * 31) % 17,
  kind: ['a', 'b', 'c'][n % 3],
}));

const featureOf = (report: TryReport, column: string): TriedFeature => {
  const found = report.features.find((feature) => feature.column === column);
  if (found === undefined) throw new Error(`no ${column}`);
  return found;
};

test('what is measured is what an export by event time writes', async () => {
  const { run, spine, folder, definitions } = await trial(HISTORY);
  const path = await spine(LABELS);
  const report = await run('by_shop', { spine: path, label: 'good' });
  const out = join(folder, 'out.parquet');
  const view = definitions.views.get('by_shop')!;
  const manifest = await exportTrainingSet({
    service: { name: 'alone', blocks: [blockOf(view)] },
    spine: path,
    out,
    mode: 'event-time',
    reader: null,
    spillDir: join(folder, 'spill'),
    clock: systemClock,
  });
  expect(report.rows).toMatchObject({ rows: 90, of: { kind: 'spine', keys: 4, ofKeys: 4, ofRows: 90 } });
  expect(report.blocks).toEqual([
    { block: 'by_shop', view: 'by_shop', rows: 90, found: 90 - manifest.views[0]!.rowsWithoutState },
  ]);
  expect(Object.fromEntries(report.features.map(({ column, nulls }) => [column, nulls]))).toEqual(
    Object.fromEntries(manifest.views[0]!.features.map(({ column, nulls }) => [column, nulls])),
  );
  const { rows } = await readParquet(out);
  const columnOf = (name: string): unknown[] => rows.map((row) => row[name]);
  const labels = columnOf('good');
  for (const column of ['by_shop__sales', 'by_shop__sales_1d', 'by_shop__spent', 'by_shop__items_max']) {
    const values = columnOf(column).map((value) => (value === null ? null : Number(value)));
    const known = values.filter((value) => value !== null).sort((a, b) => a - b);
    const { distribution, strength } = featureOf(report, column);
    expect(distribution).toMatchObject({
      kind: 'number',
      quantiles: { min: known[0], p50: known[Math.ceil(known.length / 2) - 1], max: known.at(-1) },
    });
    const valued = (label: boolean): number[] =>
      values.filter((value, row): value is number => value !== null && labels[row] === label);
    const pairs = valued(true).flatMap((yes) =>
      valued(false).map((no): number => (yes > no ? 1 : yes === no ? 0.5 : 0)),
    );
    const area = pairs.reduce((sum, one) => sum + one, 0) / pairs.length;
    expect(strength).toMatchObject({ measure: 'auc', rows: valued(true).length + valued(false).length });
    expect(strength).toHaveProperty('value', expect.closeTo(area, 12));
  }
  const cities = columnOf('by_shop__last_city').filter((city) => city !== null);
  expect(featureOf(report, 'by_shop__last_city').distribution).toMatchObject({
    kind: 'category',
    distinct: new Set(cities).size,
  });
  const scores = report.features.map(({ strength }) => strength?.score);
  expect(scores).toEqual(scores.toSorted((a, b) => (b ?? 0) - (a ?? 0)));
});

describe('without a spine', () => {
  test('rows are entities at times of their own events, of which they know those before', async () => {
    const { run } = await trial(Array.from({ length: 40 }, (_, n) => sale(n)));
    const report = await run('by_shop');
    expect(report.rows).toMatchObject({ rows: 40, of: { kind: 'events', entities: 1, isPart: false, timesEach: 40 } });
    expect(report.blocks).toEqual([{ block: 'by_shop', view: 'by_shop', rows: 40, found: 39 }]);
    const { distribution, strength } = featureOf(report, 'by_shop__sales');
    expect(distribution).toMatchObject({ kind: 'number', quantiles: { min: 0, max: 39 }, mean: 19.5 });
    expect(strength).toBeNull();
    expect(report.notes.join(' ')).toContain('read just before the event');
  });

  test('a sample is of whole entities, is taken each time alike, and is said', async () => {
    const history = Array.from({ length: 600 }, (_, n) => sale(n, { shop: `shop ${n % 60}` }));
    const { run } = await trial(history);
    const [report, again] = [
      await run('by_shop', { sample: { rows: 80 } }),
      await run('by_shop', { sample: { rows: 80 } }),
    ];
    expect(report.rows).toMatchObject({ rows: 80, of: { entities: 20, isPart: true, timesEach: 4 } });
    expect({ ...again, seconds: 0 }).toEqual({ ...report, seconds: 0 });
    // Each shop has ten sales: a state that lacked some would not count up to nine.
    const { distribution } = featureOf(await run('by_shop', { sample: { share: 0.5 } }), 'by_shop__sales');
    expect(distribution).toMatchObject({ quantiles: { min: 0, max: 9 } });
  });

  test('views of several entities have rows each of its own', async () => {
    const { run } = await trial(HISTORY);
    const report = await run('both');
    const [byShop, byDay] = report.blocks;
    expect(byShop!.rows + byDay!.rows).toBe(report.rows.rows);
    expect(byShop!.found).toBe(byShop!.rows - 3);
    expect(featureOf(report, 'by_day__sales').rows).toBe(byDay!.rows);
  });
});

describe('a sample of a spine', () => {
  test('has all rows of a key or none, and as many as fit', async () => {
    const { run, spine } = await trial([
      ...HISTORY,
      ...Array.from({ length: 20 }, (_, n) => sale(n, { id: `m${n}`, shop: `s${n}` })),
    ]);
    const at = '2026-03-09T00:00:00Z';
    const many = Array.from({ length: 100 }, (_, n) => ({ ...LABELS[0], shop: `s${n % 20}`, event_timestamp: at }));
    const path = await spine([...LABELS, ...many]);
    const { rows } = await run('by_shop', { spine: path, sample: { rows: 40 } });
    expect(rows.rows).toBeLessThanOrEqual(40);
    expect(rows.of).toMatchObject({ ofRows: 190, ofKeys: 24 });
    const shares = [0.3, 0.9].map(
      async (share) => (await run('by_shop', { spine: path, sample: { share } })).rows.rows,
    );
    const [few, more] = await Promise.all(shares);
    expect(few).toBeLessThan(more!);
    await expect(run('by_shop', { spine: path, sample: { share: 1e-8 } })).rejects.toMatchObject({
      code: 'sample-empty',
    });
  });
});

describe('a label', () => {
  const strengths = async (label: string): Promise<TryReport> => {
    const { run, spine } = await trial(HISTORY);
    return await run('by_shop', { spine: await spine(LABELS), label });
  };

  test('of two values is yes or no, and rows without one are counted', async () => {
    const { label, features } = await strengths('good');
    expect(label).toMatchObject({ kind: 'binary', rows: 87, nulls: 3, positive: { value: 'true', negative: 'false' } });
    const measures = new Map(features.map(({ column, strength }) => [column, strength?.measure]));
    expect(measures.get('by_shop__spent')).toBe('auc');
    expect(measures.get('by_shop__last_city')).toBe('mutual-information');
    expect(measures.get('by_shop__last_paid')).toBe('mutual-information');
    const { absence } = features.find(({ column }) => column === 'by_shop__spent')!;
    expect(absence!.without.of + absence!.with.of).toBe(87);
  });

  test('of many numbers is a number, of a few texts a category', async () => {
    const number = await strengths('score');
    expect(number.label).toMatchObject({ kind: 'number', rows: 90, positive: null });
    expect(featureOf(number, 'by_shop__spent').strength).toMatchObject({ measure: 'rank-correlation' });
    expect(featureOf(number, 'by_shop__last_city').strength).toMatchObject({ measure: 'mutual-information' });
    expect(featureOf(number, 'by_shop__spent').curve!.reduce((sum, { rows }) => sum + rows, 0)).toBe(
      90 - featureOf(number, 'by_shop__spent').nulls,
    );
    const category = await strengths('kind');
    expect(category.label).toMatchObject({ kind: 'category', categories: 3 });
    // The shop follows the kind: its count of sales tells much of it.
    expect(featureOf(category, 'by_shop__sales').strength).toMatchObject({ measure: 'mutual-information' });
    expect(featureOf(category, 'by_shop__sales').curve).toBeNull();
  });

  test('of a CSV is what its texts are', async () => {
    const { run, folder } = await trial(HISTORY);
    const { writeFile } = await import('node:fs/promises');
    const lines = LABELS.map(
      ({ shop, event_timestamp: at, good }, n) => `${shop},${at},${good ?? ''},0${n % 2},${n}.50`,
    );
    const path = join(folder, 'labels.csv');
    await writeFile(path, `shop,event_timestamp,good,digit,price\n${lines.join('\n')}\n`);
    const labels = ['good', 'digit', 'price'].map(
      async (label) => (await run('by_shop', { spine: path, label })).label,
    );
    expect(await Promise.all(labels)).toMatchObject([
      { kind: 'binary', nulls: 3, positive: { value: 'true' } },
      { kind: 'binary', nulls: 0, positive: { value: '1', negative: '0', rows: 45 } },
      { kind: 'number', rows: 90 },
    ]);
  });

  test('that nothing can be told from, or that is not there, is refused by name', async () => {
    const { run, spine } = await trial(HISTORY);
    const path = await spine(
      LABELS.map((row, n) => ({
        ...row,
        same: 7,
        none: null,
        name: `n${n}`,
        list: [n],
        few: n % 30 === 7 ? 'x' : 'y',
      })).concat(
        Array.from({ length: 30 }, (_, n) => ({
          ...LABELS[0]!,
          same: 7,
          none: null,
          name: `m${n}`,
          list: [n],
          few: 'y',
        })),
      ),
    );
    const refused = async (label: string) =>
      await run('by_shop', { spine: path, label }).catch((error: unknown) => error);
    expect(await refused('gone')).toMatchObject({
      code: 'spine-column-missing',
      message: expect.stringContaining('good'),
    });
    expect(await refused('same')).toMatchObject({ code: 'label-constant', message: expect.stringContaining('is 7') });
    expect(await refused('none')).toMatchObject({
      code: 'label-constant',
      message: expect.stringContaining('no value'),
    });
    expect(await refused('name')).toMatchObject({
      code: 'label-unusable',
      message: expect.stringContaining('120 different'),
    });
    expect(await refused('list')).toMatchObject({
      code: 'label-unusable',
      message: expect.stringContaining('BIGINT[]'),
    });
  });

  test('that is infinite is refused, where it is not a number it is none', async () => {
    const { run, folder } = await trial(HISTORY);
    const path = join(folder, 'labels.parquet');
    const duckdb = await openDuckDb({ memoryMb: 256, tempDir: folder });
    await duckdb.run(
      `COPY (SELECT 'north' AS shop, TIMESTAMPTZ '2026-03-02 00:00:00Z' + i * INTERVAL 1 HOUR AS event_timestamp,
               CASE i WHEN 3 THEN 'nan' WHEN 4 THEN NULL ELSE i::VARCHAR END::DOUBLE AS some,
               CASE i WHEN 3 THEN '-inf' ELSE i::VARCHAR END::DOUBLE AS endless,
               CASE i WHEN 5 THEN 'infinity' ELSE '2026-01-01' END::TIMESTAMP AS never
             FROM range(20) t(i)) TO '${path}'`,
    );
    await duckdb.close();
    expect((await run('by_shop', { spine: path, label: 'some' })).label).toMatchObject({ rows: 18, nulls: 2 });
    for (const label of ['endless', 'never'])
      await expect(run('by_shop', { spine: path, label })).rejects.toMatchObject({
        code: 'label-unusable',
        message: expect.stringContaining('is infinite in 1 rows'),
      });
  });

  test('that a feature is made of stands out, and is noted', async () => {
    const { run, spine } = await trial(HISTORY);
    const at = (n: number): string => new Date(Date.UTC(2026, 2, 1) + n * 7_200_000 + 1_800_000).toISOString();
    const path = await spine(Array.from({ length: 100 }, (_, n) => ({ shop: 'north', event_timestamp: at(n), n })));
    const report = await run('by_shop', { spine: path, label: 'n' });
    expect(report.features[0]!.strength).toMatchObject({ measure: 'rank-correlation', score: expect.closeTo(1, 1) });
    expect(report.notes.join('\n')).toMatch(/by_shop__last_at.*almost all of the label/);
  });
});

test('lists and derived features are tried as in a training set; errors in place of values are counted and noted', async () => {
  const { run } = await trial(Array.from({ length: 40 }, (_, n) => sale(n)));
  const report = await run('derived');
  expect(featureOf(report, 'derived__cities')).toMatchObject({
    type: 'list of string',
    nulls: 2,
    distribution: { kind: 'collection', sizes: { min: 1, max: 3 }, distinct: 4 },
  });
  // A list that has the same few numbers everywhere is told number by number.
  expect(featureOf(report, 'derived__spread').distribution).toMatchObject({ sizes: { min: 2, max: 2 } });
  expect(featureOf(report, 'derived__spread[0]')).toMatchObject({
    nulls: 1,
    distribution: { quantiles: { p50: expect.closeTo(1, 1) } },
  });
  expect(featureOf(report, 'derived__spread[1]').distribution).toMatchObject({
    quantiles: { max: expect.closeTo(5, 1) },
  });
  expect(report.features.map(({ column }) => column)).not.toContain('derived__cities[0]');
  expect(featureOf(report, 'derived__is_odd').distribution).toMatchObject({
    top: [
      { value: 'false', rows: 20 },
      { value: 'true', rows: 20 },
    ],
  });
  expect(featureOf(report, 'derived__hour').distribution).toMatchObject({ quantiles: { min: 0, max: 23 } });
  expect(featureOf(report, 'derived__fails')).toMatchObject({ nulls: 0, errors: { 'derived-failed': 1 } });
  expect(report.notes.join('\n')).toContain('derived__fails (derived-failed: 1)');
});

test('values that are sensitive are not shown', async () => {
  const { run } = await trial(HISTORY);
  const report = await run('by_shop');
  expect(JSON.stringify(report)).not.toContain('example.org');
  expect(featureOf(report, 'by_shop__last_email').distribution).toMatchObject({
    kind: 'category',
    top: expect.arrayContaining([{ value: expect.stringMatching(/^hash:/), rows: 1 }]),
  });
  expect(featureOf(report, 'by_shop__letters').distribution).toEqual({ kind: 'hidden' });
});

test('a default is a value, and coverage counts what was null before', async () => {
  const { run, spine } = await trial(HISTORY);
  const later = { ...LABELS[0], event_timestamp: '2026-04-01T00:00:00Z' };
  const report = await run('by_shop', { spine: await spine([LABELS[3]!, later]) });
  const tried = featureOf(report, 'by_shop__items_or_9');
  expect(tried).toMatchObject({ rows: 2, nulls: 1, distribution: { quantiles: { max: 9 } } });
});

test('a role has features of its own, by the column that names its entity; rows made of events know the view alone', async () => {
  const { run, spine } = await trial(HISTORY);
  const rows = LABELS.map(({ event_timestamp: at }, n) => ({ from: SHOPS[n % 3], to: 'nowhere', event_timestamp: at }));
  const citiesOf = (name: string): Set<unknown> =>
    new Set(HISTORY.filter(({ shop, city }) => shop === name && city !== null).map(({ city }) => city));
  const report = await run('deal', { spine: await spine(rows) });
  expect(report.blocks).toMatchObject([
    { block: 'seller', view: 'by_shop', rows: 90 },
    { block: 'buyer', view: 'by_shop', rows: 90, found: 0 },
  ]);
  expect(report.blocks[0]!.found).toBeGreaterThan(80);
  expect(featureOf(report, 'buyer__sales').distribution).toMatchObject({ quantiles: { max: 0 } });
  expect(featureOf(report, 'seller__by_city').distribution).toMatchObject({
    kind: 'collection',
    sizes: { max: Math.max(...SHOPS.map((name) => citiesOf(name).size)) },
    top: expect.arrayContaining([{ value: 'city 1', rows: expect.any(Number) }]),
  });
  expect((await run('deal')).blocks).toMatchObject([{ block: 'by_shop', rows: 192 }]);
});

describe('what cannot be tried', () => {
  test('a view without files, and a name that is none', async () => {
    const { run, definitions } = await trial(HISTORY);
    await expect(run('of_topic')).rejects.toMatchObject({
      code: 'try-needs-history',
      message: expect.stringContaining('"streamed"'),
    });
    await expect(async () => await run('of_topics')).rejects.toMatchObject({
      code: 'unknown-view',
      message: expect.stringContaining('by_shop'),
    });
    expect(definitions.views.size).toBe(4);
  });

  test('rows before all of the history, and of entities that it does not have: which of the two is said', async () => {
    const { run, spine } = await trial(HISTORY);
    const before = await spine([{ shop: 'north', event_timestamp: '2020-01-01T00:00:00Z' }]);
    await expect(run('by_shop', { spine: before })).rejects.toMatchObject({
      code: 'nothing-before-labels',
      message: expect.stringMatching(/events of 2026-03-01T00:00:00.000000Z to .*, of 1 of the rows' 1 entities/),
    });
    const others = await spine([{ shop: 'North', event_timestamp: '2026-03-09T00:00:00Z' }]);
    await expect(run('by_shop', { spine: others })).rejects.toMatchObject({
      code: 'nothing-before-labels',
      message: expect.stringContaining("of 0 of the rows' 1 entities"),
    });
    const half = await spine([{ shop: 'north', day: '1999-01-01', event_timestamp: '2026-03-09T00:00:00Z' }]);
    const { notes } = await run('both', { spine: half });
    expect(notes).toContain("by_day: no row's entity has an event before the row's time");
  });

  test('no history at all', async () => {
    const { run } = await trial([]);
    await expect(run('by_shop')).rejects.toMatchObject({ code: 'nothing-before-labels' });
  });
});
