import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { columnNameFault } from '../../engine/define/names.ts';
import { createOnlineStore } from '../../engine/online/online-store.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';
import { compiled, fixedClock, NOW_US, productSales, publish, sale, shopSales } from './online-fixture.ts';
import { asCarried, exactText, expectedText } from './sql-values-as-text.ts';
import { createLogin } from '../postgres/test-login.ts';

let database: OwnDatabase;
let products: CompiledView;
let reader: pg.Client;
const rows = Array.from({ length: 400 }, (_, n) => sale(n));
const NORTH = "shop = 'north' AND number = 0";

beforeAll(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl);
  await migrateToLatest(database.pool);
  const [first, second] = (await compiled(productSales, shopSales)) as [CompiledView, CompiledView];
  products = first;
  // Enough entities that the planner has a reason to use the primary key.
  const many = Array.from({ length: 3_000 }, (_, n) => sale(n, { shop: `shop ${n}`, id: `m${n}` }));
  await publish(database.pool, products, [...rows, ...many]);
  await publish(database.pool, second, rows);
  // A member of the read-only role, as a data scientist's login would be.
  const name = new URL(database.url).pathname.slice(1);
  const url = await createLogin(database.pool, database.url, `${name}_user`, 'IN ROLE millrace_reader');
  reader = new pg.Client({ connectionString: url });
  await reader.connect();
});
afterAll(async () => {
  await reader.end();
  const name = new URL(database.url).pathname.slice(1);
  const admin = new pg.Client({ connectionString: inject('stack').databaseUrl });
  await database.drop();
  await admin.connect();
  await admin.query(`DROP ROLE "${name}_user"`);
  await admin.end();
});

async function plan(sql: string): Promise<string> {
  const { rows: lines } = await reader.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${sql}`);
  return lines.map((line) => line['QUERY PLAN']).join('\n');
}

describe('the SQL surface', () => {
  it('gives the values of the store, bit for bit, at any time', async () => {
    const store = createOnlineStore({ pool: database.pool, clock: fixedClock });
    const columns = products.layout.features
      .map((feature) => exactText(feature.result, `"${feature.name}"`))
      .join(', ');
    for (const atUs of [NOW_US, NOW_US + 86_400_000_001, NOW_US - 3 * 86_400_000_000]) {
      const time = `timestamptz '1970-01-01 00:00:00+00' + ${atUs} * interval '1 microsecond'`;
      const { rows: found } = await reader.query<(string | null)[]>({
        text: `SELECT shop, number::text, ${exactText({ kind: 'timestamp' }, 'as_of')}, ahead::text, ${columns} FROM millrace.product_sales_at(${time}) WHERE shop NOT LIKE 'shop %'`,
        rowMode: 'array',
      });
      expect(found.length).toBeGreaterThan(10);
      const reads = await store.get(
        'product_sales',
        found.map(([shop, number]) => [shop!, BigInt(number!)]),
        { atUs },
      );
      const shown = ([, , asOf, ahead, ...texts]: readonly (string | null)[]) => [
        asOf,
        ahead,
        ...texts.map((text, index) => asCarried(products.layout.features[index]!.result, text)),
      ];
      expect(found.map(shown)).toEqual(
        reads.map((read) => [
          String(atUs),
          String(read.ahead),
          ...read.values.map((value, index) => expectedText(products.layout.features[index]!.result, value)),
        ]),
      );
    }
  });

  it('shows a row per entity as of now', async () => {
    const { rows: counts } = await reader.query<{ entities: string; now: boolean }>(
      'SELECT count(*) AS entities, bool_and(as_of = now()) AS now FROM millrace.shop_sales',
    );
    expect(counts).toEqual([{ entities: '3', now: true }]);
    const { rows: both } = await reader.query(
      'SELECT * FROM millrace.product_sales WHERE shop LIKE $1 ORDER BY shop, number',
      ["o'%"],
    );
    const { rows: at } = await reader.query(
      'SELECT * FROM millrace.product_sales_at(now()) WHERE shop LIKE $1 ORDER BY shop, number',
      ["o'%"],
    );
    // as_of is the one difference between two transactions.
    const withoutTime = (all: readonly Record<string, unknown>[]) => all.map((row) => ({ ...row, as_of: null }));
    expect(withoutTime(at)).toEqual(withoutTime(both));
    expect(both.length).toBeGreaterThan(0);
  });

  it('has typed columns', async () => {
    const { rows: types } = await database.pool.query<{ name: string; type: string }>(
      "SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute WHERE attrelid = 'millrace.product_sales'::regclass ORDER BY attnum",
    );
    expect(Object.fromEntries(types.map(({ name, type }) => [name, type]))).toMatchObject({
      shop: 'text',
      number: 'bigint',
      sales_1d: 'bigint',
      price_sum_7d: 'numeric(38,2)',
      price_last: 'numeric(12,2)',
      price_by_shop: 'jsonb',
      totals: 'bigint[]',
      prices_1d: 'numeric[]',
      times_7d: 'timestamp with time zone[]',
      ids_by_channel_7d: 'jsonb',
      weight_avg: 'double precision',
      total_last: 'bigint',
      channel_max: 'text',
      paid_last: 'boolean',
      day_min: 'date',
      at_last_7d: 'timestamp with time zone',
      as_of: 'timestamp with time zone',
      ahead: 'boolean',
      errors: 'jsonb',
    });
  });

  it('has beside join keys and features only columns whose names are reserved', async () => {
    const { rows: columns } = await database.pool.query<{ name: string }>(
      `SELECT attname AS name FROM pg_attribute
       WHERE attrelid IN ('millrace.product_sales'::regclass, 'millrace_state.product_sales_v1'::regclass) AND attnum > 0`,
    );
    const own = new Set([...products.layout.keys, ...products.layout.features].map(({ name }) => name));
    const others = columns.map(({ name }) => name).filter((name) => !own.has(name));
    expect(others.toSorted()).toEqual(['ahead', 'as_of', 'errors', 'seq', 'state', 'state_commit', 'state_crc']);
    for (const name of others) expect(columnNameFault(name)?.code).toBe('reserved-name');
  });

  it('decodes only the row that is asked for, by the primary key', async () => {
    for (const from of ['millrace.product_sales', "millrace.product_sales_at('2001-06-10')"]) {
      const text = await plan(`SELECT * FROM ${from} WHERE ${NORTH}`);
      expect(text).toMatch(/Index (Only )?Scan using product_sales_v1_pkey/);
      expect(text).toMatch(/Index Cond: .*shop = 'north'.*number = (0|'0'::bigint)/);
      expect(text).not.toMatch(/Seq Scan|product_sales_at/);
    }
  });

  it('lets the read-only role read views and functions, and nothing else', async () => {
    expect((await reader.query(`SELECT * FROM millrace.product_sales WHERE ${NORTH}`)).rowCount).toBe(1);
    expect((await reader.query(`SELECT * FROM millrace.product_sales_at(now()) WHERE ${NORTH}`)).rowCount).toBe(1);
    for (const statement of [
      'SELECT * FROM millrace_catalog.view_version',
      'SELECT * FROM millrace_state.product_sales_v1',
      "UPDATE millrace.product_sales SET shop = 'x'",
      'DELETE FROM millrace.shop_sales',
      'CREATE TABLE millrace.mine (a int)',
      'CREATE FUNCTION millrace_sql.mine() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$',
    ]) {
      await expect(reader.query(statement)).rejects.toMatchObject({
        code: expect.stringMatching(/42501|55000/) as string,
      });
    }
  });

  it('has null and the code beside it where a value does not fit', async () => {
    const big = Array.from({ length: 3 }, (_, n) =>
      sale(n, { shop: 'big', number: 1n, id: `b${n}`, total: 2n ** 62n, at: NOW_US - 1 }),
    );
    await publish(database.pool, products, [...rows, ...big]);
    const { rows: found } = await reader.query(
      "SELECT total_sum_7d, total_last::text, errors FROM millrace.product_sales_at('2001-06-10 12:00Z') WHERE shop = 'big'",
    );
    expect(found).toEqual([
      { total_sum_7d: null, total_last: String(2n ** 62n), errors: { total_sum_7d: 'value-out-of-range' } },
    ]);
    const store = createOnlineStore({ pool: database.pool, clock: fixedClock });
    const [all] = await store.get('product_sales', [['big', 1n]]);
    expect(all?.errors).toEqual({ total_sum_7d: 'value-out-of-range' });
    const [read] = await store.get('product_sales', [['big', 1n]], { features: ['total_last', 'sales_1d'] });
    expect(read).toMatchObject({ values: [2n ** 62n, 3], errors: null });
  });

  it('shows a text that Postgres has no place for as an error of that feature', async () => {
    await publish(database.pool, products, [...rows, sale(0, { shop: 'nul', number: 1n, id: 'a\0b', at: NOW_US - 1 })]);
    const { rows: found } = await reader.query(
      "SELECT id_max_7d, sales_1d, errors FROM millrace.product_sales_at('2001-06-10 12:00Z') WHERE shop = 'nul'",
    );
    const names = ['id_max_7d', 'ids_7d', 'ids_by_channel_7d', 'channel_by_id_1m'];
    const errors = Object.fromEntries(names.map((name) => [name, 'unstorable-text']));
    expect(found).toEqual([{ id_max_7d: null, sales_1d: '1', errors }]);
  });

  it('decodes in parallel workers', async () => {
    await reader.query('SET debug_parallel_query = on');
    const { rows: found } = await reader.query('SELECT count(*) AS n, count(errors) AS wrong FROM millrace.shop_sales');
    expect(found).toEqual([{ n: '3', wrong: '0' }]);
    expect(await plan('SELECT count(errors) FROM millrace.shop_sales')).toContain('Workers Planned: 1');
    await reader.query('RESET debug_parallel_query');
  });
});
