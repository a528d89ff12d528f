import pg from 'pg';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { publishVersion } from '../../engine/online/publish-version.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { liveVersion } from '../../engine/postgres/live-version.ts';
import { eventually } from '../lifecycle/lifecycle-harness.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';
import { buildVersion, compiled, publish, sale, shopSales } from './online-fixture.ts';

let database: OwnDatabase;
let view: CompiledView;
const rows = Array.from({ length: 30 }, (_, n) => sale(n));
const clients: pg.Client[] = [];

beforeAll(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl);
  await migrateToLatest(database.pool);
  [view] = (await compiled(shopSales)) as [CompiledView];
});
afterAll(async () => {
  for (const client of clients) await client.end();
  await database.drop();
});

async function connected(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  clients.push(client);
  return client;
}

/** As its workflow does: it asks again, for as long as it takes. */
async function untilPublished(version: number): Promise<void> {
  for (;;) {
    try {
      return await publishVersion({ pool: database.pool, view: 'shop_sales', version });
    } catch (error) {
      expect(error).toMatchObject({ code: 'transaction-conflict', retryable: true });
    }
  }
}

it('a publication waits for a long query on the SQL view, and no reader waits for the publication', async () => {
  await publish(database.pool, view, rows);
  const version = await buildVersion(database.pool, view, rows);
  const long = await connected();
  await long.query('BEGIN');
  await long.query('SELECT count(*) FROM millrace.shop_sales');
  const publishing = untilPublished(version);
  const reader = await connected();
  // One that waits its turn behind the publication for this long fails.
  await reader.query("SET lock_timeout = '3s'");
  const isHeldUp = async (): Promise<boolean> => {
    const { rowCount } = await database.pool.query(
      "SELECT 1 FROM pg_locks WHERE relation = 'millrace.shop_sales'::regclass AND mode = 'AccessExclusiveLock' AND NOT granted",
    );
    return (rowCount ?? 0) > 0;
  };
  for (let waits = 0; waits < 3; waits++) {
    await eventually(isHeldUp);
    for (let read = 0; read < 5; read++) {
      expect((await reader.query('SELECT shop FROM millrace.shop_sales')).rowCount).toBe(3);
    }
    await eventually(async () => !(await isHeldUp()));
  }
  expect((await liveVersion(database.pool, 'shop_sales'))?.version).toBe(1);
  await long.query('COMMIT');
  await publishing;
  expect((await liveVersion(database.pool, 'shop_sales'))?.version).toBe(version);
  expect((await reader.query('SELECT shop FROM millrace.shop_sales')).rowCount).toBe(3);
});
