import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { stateCrcFunction } from '../../migrations/0007-errors.ts';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { publishVersion, renewSqlSurfaces } from '../../engine/online/publish-version.ts';
import { dropSqlSurface, SQL_SURFACE } from '../../engine/online/sql-surface.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { stateTable } from '../../engine/postgres/state-table.ts';
import { liveVersion } from '../../engine/postgres/live-version.ts';
import { stateCrc } from '../../engine/state/stored-state.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';
import { buildVersion, compiled, publish, sale, shopSales, shopSalesNext } from './online-fixture.ts';

let database: OwnDatabase;
let view: CompiledView;
let next: CompiledView;
let role: string;
const rows = Array.from({ length: 30 }, (_, n) => sale(n));

beforeAll(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl);
  await migrateToLatest(database.pool);
  [view] = (await compiled(shopSales)) as [CompiledView];
  [next] = (await compiled(shopSalesNext)) as [CompiledView];
  role = `${new URL(database.url).pathname.slice(1)}_Own`;
  await database.pool.query(`CREATE ROLE "${role}"`);
  await database.pool.query(`CREATE ROLE "${role}_other"`);
});
afterAll(async () => {
  await database.drop();
  const admin = new pg.Client({ connectionString: inject('stack').databaseUrl });
  await admin.connect();
  await admin.query(`DROP ROLE "${role}", "${role}_other"`);
  await admin.end();
});

/** The surface as it was before there were errors: no such column, and a decoder without checksums (here it decodes nothing). */
async function installForm1(): Promise<void> {
  const table = stateTable((await liveVersion(database.pool, 'shop_sales'))!.stateTable);
  const signature = 'OUT o0 bigint, OUT o1 text, OUT ahead boolean';
  const decoder = `RETURNS record LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$ BEGIN o0 := 7; ahead := false; END $$`;
  const columns = 'r.o0::bigint AS sales_1d, r.o1 COLLATE "C" AS last_channel';
  for (const statement of [
    `CREATE FUNCTION millrace_sql.shop_sales_read(state_bytes bytea, at_time timestamptz, ${signature}) ${decoder}`,
    `CREATE VIEW millrace.shop_sales AS SELECT s.shop, ${columns}, now() AS as_of, r.ahead
      FROM ${table} s CROSS JOIN LATERAL millrace_sql.shop_sales_read(s.state, now()) r`,
    `CREATE FUNCTION millrace_sql.shop_sales_read_entity(k0 text, at_time timestamptz, ${signature}) ${decoder}`,
    `CREATE VIEW millrace_sql.shop_sales_entities AS SELECT s.shop FROM ${table} s`,
    `CREATE FUNCTION millrace.shop_sales_at(timestamptz) RETURNS SETOF millrace.shop_sales LANGUAGE sql STABLE AS $$
      SELECT s.shop, ${columns}, $1 AS as_of, r.ahead
      FROM millrace_sql.shop_sales_entities s CROSS JOIN LATERAL millrace_sql.shop_sales_read_entity(s.shop, $1) r $$`,
  ])
    await database.pool.query(statement);
  await database.pool.query('UPDATE millrace_catalog.view_version SET sql_surface = 1');
}

/** What a role of the user's own may call. */
async function callable(role: string): Promise<string[]> {
  const { rows: found } = await database.pool.query<{ name: string }>(
    `SELECT p.proname AS name FROM pg_proc p WHERE p.proname IN ('shop_sales_at', 'shop_sales_read_entity')
       AND has_function_privilege($1, p.oid, 'EXECUTE') ORDER BY name`,
    [role],
  );
  return found.map(({ name }) => name);
}

/** A live version whose surface is of form 1, with a view of a user's on it. */
async function earlierInstallation(): Promise<void> {
  await publish(database.pool, view, rows);
  await dropSqlSurface(database.pool, view.layout);
  await installForm1();
  await database.pool.query('CREATE VIEW public.mine AS SELECT shop, last_channel FROM millrace.shop_sales');
  await database.pool.query('CREATE VIEW public.then AS SELECT shop, sales_1d FROM millrace.shop_sales_at(now())');
}

async function readFunctions(): Promise<string[]> {
  const { rows: found } = await database.pool.query<{ name: string }>(
    "SELECT oid::regprocedure::text AS name FROM pg_proc WHERE proname LIKE 'shop\\_sales%' ORDER BY name",
  );
  return found.map(({ name }) => name);
}

describe('the SQL surface of an installation from before there were errors', () => {
  it('is made anew in place, once, and what users built on it stays', async () => {
    await earlierInstallation();
    for (const name of [
      'millrace.shop_sales_at(timestamptz)',
      'millrace_sql.shop_sales_read_entity(text, timestamptz)',
    ])
      for (const statement of [
        `REVOKE EXECUTE ON FUNCTION ${name} FROM PUBLIC`,
        `GRANT EXECUTE ON FUNCTION ${name} TO "${role}"`,
      ])
        await database.pool.query(statement);
    const runs = await Promise.all([renewSqlSurfaces(database.pool), renewSqlSurfaces(database.pool)]);
    expect(runs.flatMap(({ renewed }) => renewed)).toEqual(['shop_sales']);
    expect(runs.flatMap(({ kept }) => kept)).toEqual([]);
    expect((await liveVersion(database.pool, 'shop_sales'))?.sqlSurface).toBe(SQL_SURFACE);
    expect(await renewSqlSurfaces(database.pool)).toEqual({ renewed: [], kept: [] });
    const read = 'SELECT shop, errors FROM millrace.shop_sales WHERE shop = $1';
    expect((await database.pool.query(read, ['north'])).rows).toEqual([{ shop: 'north', errors: null }]);
    await database.pool.query(
      "UPDATE millrace_state.shop_sales_v1 SET state = set_byte(state, 9, 1 # get_byte(state, 9)) WHERE shop = 'north'",
    );
    expect((await database.pool.query(read, ['north'])).rows).toEqual([
      { shop: 'north', errors: { '*': 'state-corrupt' } },
    ]);
    const at = "SELECT sales_1d, errors FROM millrace.shop_sales_at('2001-06-10') WHERE shop = 'north'";
    expect((await database.pool.query(at)).rows).toEqual([{ sales_1d: null, errors: { '*': 'state-corrupt' } }]);
    expect((await database.pool.query('SELECT shop FROM public.mine ORDER BY shop')).rowCount).toBe(3);
    expect((await database.pool.query('SELECT shop FROM public.then ORDER BY shop')).rowCount).toBe(3);
    // A role of one's own may call it as before, also after the next version of the same columns.
    expect(await callable(role)).toEqual(['shop_sales_at', 'shop_sales_read_entity']);
    const version = await buildVersion(database.pool, view, rows);
    await publishVersion({ pool: database.pool, view: 'shop_sales', version });
    expect(await callable(role)).toEqual(['shop_sales_at', 'shop_sales_read_entity']);
    expect(await callable(`${role}_other`)).toEqual([]);
    // Nothing of the old form is left.
    expect(await readFunctions()).toEqual([
      'millrace.shop_sales_at(timestamp with time zone)',
      'millrace_sql.shop_sales_read(bytea,integer,timestamp with time zone)',
      'millrace_sql.shop_sales_read_entity(text,timestamp with time zone)',
    ]);
  });

  it('stays as it is, and is told of, while an SQL reader holds it', async () => {
    await database.pool.query('DROP VIEW public.mine, public.then');
    await dropSqlSurface(database.pool, view.layout);
    await installForm1();
    const reader = new pg.Client({ connectionString: database.url });
    await reader.connect();
    try {
      await reader.query('BEGIN');
      await reader.query('SELECT count(*) FROM millrace.shop_sales');
      const { renewed, kept } = await renewSqlSurfaces(database.pool);
      expect(renewed).toEqual([]);
      expect(kept).toMatchObject([{ view: 'shop_sales', error: { code: 'transaction-conflict', retryable: true } }]);
      // It goes on as before.
      expect((await reader.query('SELECT sales_1d FROM millrace.shop_sales LIMIT 1')).rows).toEqual([
        { sales_1d: '7' },
      ]);
    } finally {
      await reader.end();
    }
    expect((await renewSqlSurfaces(database.pool)).renewed).toEqual(['shop_sales']);
  });

  it('is replaced by a publication too, of the same columns or of others', async () => {
    await dropSqlSurface(database.pool, view.layout);
    await installForm1();
    const again = await buildVersion(database.pool, view, rows);
    await publishVersion({ pool: database.pool, view: 'shop_sales', version: again });
    expect((await database.pool.query('SELECT errors FROM millrace.shop_sales')).rowCount).toBe(3);
    await dropSqlSurface(database.pool, view.layout);
    await installForm1();
    const other = await buildVersion(database.pool, next, rows);
    await publishVersion({ pool: database.pool, view: 'shop_sales', version: other });
    expect((await database.pool.query('SELECT sales_2d, errors FROM millrace.shop_sales')).rowCount).toBe(3);
    expect((await liveVersion(database.pool, 'shop_sales'))?.sqlSurface).toBe(SQL_SURFACE);
  });

  it('is not made with two columns of one name', async () => {
    const { layout } = next;
    const taken = { ...next, layout: { ...layout, features: [{ ...layout.features[0]!, name: 'errors' }] } };
    const version = await buildVersion(database.pool, taken, rows);
    await expect(publishVersion({ pool: database.pool, view: 'shop_sales', version })).rejects.toMatchObject({
      code: 'reserved-name',
    });
  });
});

describe('the checksum of a state in SQL', () => {
  it('is that of the engine, by the server or by the table of older servers', async () => {
    await database.pool.query(stateCrcFunction('public.by_table', false));
    await database.pool.query(stateCrcFunction('public.by_server', true));
    const texts = ['', '\\x00', '\\x31323334353637383930', `\\x${'ff'.repeat(3_000)}`, `\\x${'a5'.repeat(777)}00`];
    for (const text of texts) {
      const bytes = Buffer.from(text.slice(2), 'hex');
      const { rows: found } = await database.pool.query(
        'SELECT public.by_table($1) AS "byTable", public.by_server($1) AS "byServer", millrace_sql.state_crc($1) AS own',
        [bytes],
      );
      expect(found).toEqual([{ byTable: stateCrc(bytes), byServer: stateCrc(bytes), own: stateCrc(bytes) }]);
    }
  });
});
