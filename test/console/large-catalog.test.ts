/** A hundred views, 5,000 features and a million entities: every page asks a bounded number of bounded questions, and stays a page. */
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { ENGINE_SEMANTICS, type ViewLayout } from '../../engine/define/view-layout.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { runSql } from '../../engine/postgres/run-sql.ts';
import { CATALOG, STATE } from '../../engine/postgres/schemas.ts';
import { sqlText } from '../../engine/postgres/sql.ts';
import { type RunningApi, startApi } from '../../serving/start-api.ts';
import { fixedClock } from '../online/online-fixture.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';

const VIEWS = 100;
const FEATURES = 50;
const ENTITIES = 1_000_000;
const COMMITS = 20_000;
const SEGMENTS = 200;
const NEWEST_MS = 991_353_600_000;

let database: OwnDatabase;
let api: RunningApi;
const asked: { text: string; rows: number }[] = [];

function layoutOf(view: string): ViewLayout {
  return {
    semantics: ENGINE_SEMANTICS,
    view,
    entity: `entity_${Number(view.slice(5)) % 7}`,
    keys: [{ name: 'key', type: { kind: 'int64' } }],
    tieBreak: 'id',
    groups: [{ hopUs: null, spanUs: null }],
    slots: [{ partial: 'count', input: null, group: 0 }],
    features: Array.from({ length: FEATURES }, (_, n) => ({
      name: `feature_${n}`,
      aggregate: 'count',
      slot: 0,
      windowUs: null,
      hopUs: null,
      result: { kind: 'int' },
      nullable: false,
    })),
  };
}

beforeAll(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl);
  const { pool } = database;
  await migrateToLatest(pool);
  const views = Array.from({ length: VIEWS }, (_, n) => `view_${n}`);
  await runSql(
    pool,
    sqlText`
    INSERT INTO ${CATALOG}.view_version (view, version, fingerprint, layout, layout_tag, status, state_table, source, published_at)
    SELECT view, version, 'f' || view, layout::jsonb, 0, CASE WHEN version = 30 THEN 'live' ELSE 'retired' END, view || '_v' || version, 'source_' || (n % 9), now()
    FROM unnest(${views}::text[], ${views.map((view) => JSON.stringify(layoutOf(view)))}::text[]) WITH ORDINALITY AS given(view, layout, n), generate_series(1, 30) AS version`,
  );
  await runSql(
    pool,
    sqlText`CREATE TABLE ${STATE}.view_0_v30 AS SELECT key, 1::bigint AS seq, NULL::bigint AS state_commit, ''::bytea AS state, 0 AS state_crc FROM generate_series(1::bigint, ${ENTITIES}::bigint) AS key`,
  );
  await runSql(pool, sqlText`ALTER TABLE ${STATE}.view_0_v30 ADD PRIMARY KEY (key)`);
  await runSql(
    pool,
    sqlText`INSERT INTO ${CATALOG}.commit_record (view, version, seq, topic, partition, from_offset, until_offset, watermark_us)
    SELECT 'view_0', 30, n, 't', 0, n, n + 1, n FROM generate_series(1, ${COMMITS}::int) n`,
  );
  // A day and the same hours a week before, whole and of 200 segments, of all features of a view.
  const summary = { n: 40, nulls: 4, num: [100, 400, 0], bins: Array.from({ length: 60 }, (_, n) => 65_600 + n) };
  const { bins: _, ...small } = summary;
  const fields = (one: object): string =>
    JSON.stringify(Object.fromEntries(Array.from({ length: FEATURES }, (_, n) => [`feature_${n}`, one])));
  await runSql(
    pool,
    sqlText`
    INSERT INTO ${CATALOG}.monitor_bucket (place, object, grain, begin_ms, segment_name, segment_value, records, fields)
    SELECT 'store', 'view_0', 'hour', ${NEWEST_MS}::bigint - 3600000 * (hour + 144 * (hour / 24)), CASE WHEN segment = 0 THEN '' ELSE 'origin' END,
      CASE WHEN segment = 0 THEN '' ELSE segment::text END, NULL, CASE WHEN segment <= 20 THEN ${fields(summary)}::jsonb ELSE ${fields(small)}::jsonb END
    FROM generate_series(0, 47) hour, generate_series(0, ${SEGMENTS}::int) segment`,
  );
  await pool.query('ANALYZE');
  api = await startApi({ pool, clock: fixedClock });
  const query = pool.query.bind(pool) as (...given: unknown[]) => Promise<pg.QueryResult>;
  pool.query = (async (...given: unknown[]) => {
    const result = await query(...given);
    const [first] = given;
    const text = typeof first === 'string' ? first : (first as { text: string }).text;
    asked.push({ text, rows: result.rows.length });
    return result;
  }) as typeof pool.query;
});
afterAll(async () => {
  await api.close();
  await database.drop();
});

/** A page, and what it asked of the database. */
async function page(path: string): Promise<{ text: string; statements: number; rows: number }> {
  asked.length = 0;
  const response = await fetch(api.url + path);
  expect([path, response.status]).toEqual([path, 200]);
  const rows = Math.max(0, ...asked.map((one) => one.rows));
  return { text: await response.text(), statements: asked.length, rows };
}

const rowsOf = (text: string): number => text.match(/<tr>/g)?.length ?? 0;

describe('the console over much', () => {
  it('asks few statements of few rows, and shows a page of them', async () => {
    // What is known of layouts is read once per version.
    expect((await page('/console')).rows).toBeLessThanOrEqual(VIEWS);
    for (const path of [
      '/console',
      '/console/catalogue',
      '/console/catalogue?q=feature_7',
      '/console/views/view_0',
      '/console/views/view_0/entity',
      '/console/views/view_0/dead-letters',
      '/console/views/view_0/definition',
      '/console/views/view_0/features/feature_3',
      '/console/sources/source_1',
      '/console/entities/entity_0',
      '/console/training',
      '/console/lineage',
      '/console/lineage/source/source_1',
    ]) {
      const { text, statements, rows } = await page(path);
      expect([path, statements <= 10]).toEqual([path, true]);
      expect([path, rows <= (path.startsWith('/console/views/view_0') ? 5_000 : VIEWS)]).toEqual([path, true]);
      expect([path, text.length < 250_000]).toEqual([path, true]);
      expect([path, rowsOf(text) < 350]).toEqual([path, true]);
    }
    for (const { text } of asked) expect(text).not.toMatch(/count\(\*\) FROM .*view_0_v30/i);
  });

  it('goes through all of it page by page', async () => {
    const { text } = await page('/console/catalogue');
    // Views, features, sources and entities.
    expect(text).toContain(`${(VIEWS + VIEWS * FEATURES + 9 + 7).toLocaleString('en')} found`);
    expect(text).toContain('page 1 of 52');
    const last = (await page('/console/catalogue?q=&page=52')).text;
    expect(last).toContain('page 52 of 52');
    for (const odd of ['0', '-1', '1e9', 'NaN', '2.5', '"'])
      expect((await page(`/console/catalogue?page=${encodeURIComponent(odd)}`)).text).toMatch(/page (?:1|2|52) of 52/);
    expect((await page('/console?page=2')).text).toContain('page 2 of 2');
  });

  it('reads no more than the first keys of a million entities, and tells how many there are without counting', async () => {
    const sample = await page('/console/views/view_0/entity');
    expect(rowsOf(sample.text)).toBe(21);
    const { rows } = await database.pool.query<{ 'QUERY PLAN': string }>(
      asked
        .find(({ text }) => text.includes('view_0_v30'))!
        .text.replace('$1', '20')
        .replace('SELECT', 'EXPLAIN SELECT'),
    );
    expect(rows.map((row) => row['QUERY PLAN']).join('\n')).toMatch(/Index (?:Only )?Scan/);
    expect((await page('/console/views/view_0')).text).toContain('1,000,000 <span class="dim">as Postgres estimates');
  });

  it('tells coverage and drift of the worst of 10,000 series, and draws as many as a page holds', async () => {
    const { text, statements, rows } = await page('/console/views/view_0/quality');
    expect(statements).toBeLessThanOrEqual(10);
    expect(rows).toBe(24 * 48);
    expect(text).toContain('by every 8th hour');
    expect(text.length).toBeLessThan(250_000);
    expect(text.match(/<svg/g)).toHaveLength(24 + 24 + 6);
    const feature = await page('/console/views/view_0/features/feature_3');
    expect(feature.statements).toBeLessThanOrEqual(10);
    expect(feature.rows).toBeLessThanOrEqual(4_000);
    expect(feature.text.length).toBeLessThan(100_000);
  });

  it('draws 200 nodes at most, and says of how many', async () => {
    const { text } = await page('/console/lineage');
    expect(text).toContain('109 of 109 shown');
    expect((await page('/console/lineage/source/source_1')).text).toMatch(/1[12] of 1[12] shown|13 of 13 shown/);
  });
});
