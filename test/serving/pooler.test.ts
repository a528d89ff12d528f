import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { createClient } from '../../engine/online/client.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { createPool, isPooled } from '../../engine/postgres/pool.ts';
import { startApi } from '../../serving/start-api.ts';
import { CliRun, runCli } from '../cli/run-cli.ts';
import { compiled, fixedClock, NOW_US, productSales, publish, sale } from '../online/online-fixture.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';
import { findPgBouncer, startPgBouncer } from './pgbouncer.ts';
import { plainBlocks } from '../define/plain-blocks.ts';

const hasPooler = (await findPgBouncer()) !== null;
const READS = 400;

let database: OwnDatabase;
let pooler: { readonly url: string; stop(): Promise<void> };
let products: CompiledView;
beforeAll(async () => {
  if (!hasPooler) return;
  database = await createOwnDatabase(inject('stack').databaseUrl);
  await migrateToLatest(database.pool);
  products = ((await compiled(productSales)) as [CompiledView])[0];
  const rows = Array.from({ length: 300 }, (_, n) => sale(n));
  await publish(database.pool, products, rows);
  pooler = await startPgBouncer(database.url);
});
afterAll(async () => {
  await pooler?.stop();
  await database?.drop();
});

const key = { shop: 'süd', number: 3_000_000_000_000_000n };

describe.skipIf(!hasPooler)('behind PgBouncer in transaction mode', () => {
  it('the client reads the same, from as many sessions as there are, under any setting of the role', async () => {
    const direct = createClient({ databaseUrl: database.url, clock: fixedClock });
    const expected = await direct.get(productSales, key, { at: NOW_US, requestId: 'one' });
    await direct.close();
    const name = new URL(database.url).pathname.slice(1);
    for (const setting of ["bytea_output = 'escape'", "TimeZone = 'Asia/Kolkata'", 'extra_float_digits = 0'])
      await database.pool.query(`ALTER DATABASE "${name}" SET ${setting}`);
    const client = createClient({ databaseUrl: pooler.url, pooled: true, clock: fixedClock, maxConnections: 20 });
    try {
      const reads = Array.from({ length: READS }, async (_, n) => {
        // Not all in one turn: these would be one statement.
        for (let turn = 0; turn < n; turn++) await Promise.resolve();
        return client.get(productSales, key, { at: NOW_US, requestId: 'one' });
      });
      for (const read of await Promise.all(reads)) expect(read).toEqual(expected);
    } finally {
      await client.close();
      await database.pool.query(`ALTER DATABASE "${name}" RESET ALL`);
    }
  });

  it('the API answers, and says that it is ready', async () => {
    const definitions = { services: new Map([['sales_model', { blocks: plainBlocks([products]) }]]) };
    const api = await startApi({ databaseUrl: pooler.url, pooled: true, clock: fixedClock, definitions });
    try {
      const ask = (): Promise<Response> =>
        fetch(`${api.url}/v1/features`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ service: 'sales_model', entity: { shop: 'süd', number: '3000000000000000' } }),
        });
      const answers = await Promise.all(Array.from({ length: 100 }, ask));
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
      for (const path of ['/readyz', '/v1/views', '/metrics']) expect((await fetch(api.url + path)).status).toBe(200);
    } finally {
      await api.close();
    }
  });

  it('serve does, and what needs sessions of its own says what it lacks', async () => {
    const variables = { DATABASE_URL: pooler.url, MILLRACE_PG_POOLED: '1' };
    const run = new CliRun(['serve', '--port', '0'], variables);
    await run.printed('answers');
    run.interrupt();
    expect(await run.ended).toMatchObject({ exitCode: 0 });
    expect(await runCli(['migrate'], variables)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('DATABASE_DIRECT_URL not set'),
    });
    expect(await runCli(['migrate'], { ...variables, DATABASE_DIRECT_URL: database.url })).toMatchObject({
      exitCode: 0,
    });
  });

  it('a session that was not told of the pooler is refused, with what to set', async () => {
    const pool = createPool(pooler.url, { max: 1 });
    expect(isPooled(pool)).toBe(false);
    const client = createClient({ databaseUrl: pooler.url });
    await expect(client.get(productSales, key)).rejects.toMatchObject({
      code: 'startup-parameter-refused',
      remedy: expect.stringContaining('MILLRACE_PG_POOLED'),
    });
    await client.close();
    await pool.end();
  });

  it('dates that are not ISO are refused, with what to set', async () => {
    const name = new URL(database.url).pathname.slice(1);
    await database.pool.query(`ALTER DATABASE "${name}" SET DateStyle = 'German'`);
    // Sessions that the pooler holds already are of before.
    const own = await startPgBouncer(database.url);
    const client = createClient({ databaseUrl: own.url, pooled: true });
    try {
      await expect(client.get(productSales, key)).rejects.toMatchObject({ code: 'pooled-settings' });
    } finally {
      await client.close();
      await own.stop();
      await database.pool.query(`ALTER DATABASE "${name}" RESET ALL`);
    }
  });
});
