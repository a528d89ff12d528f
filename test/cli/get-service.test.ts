import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { blockOf, namedBlocks } from '../../engine/define/service-blocks.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { noteServices } from '../../engine/postgres/service-versions.ts';
import { compiled, productSales, publish, sale, shopSales } from '../online/online-fixture.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';
import { type CliResult, runCli } from './run-cli.ts';

let database: OwnDatabase;
beforeAll(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl);
  await migrateToLatest(database.pool);
  const [products, shops] = (await compiled(productSales, shopSales)) as [CompiledView, CompiledView];
  const rows = Array.from({ length: 60 }, (_, n) => sale(n));
  for (const view of [products, shops]) await publish(database.pool, view, rows);
  const blocks = [
    blockOf(shops, 'to', { shop: 'receiver' }),
    blockOf(products),
    blockOf(shops, 'from', { shop: 'sender' }),
  ];
  const tags = (view: CompiledView) => ({ [view.name]: view.tags?.features ?? {} });
  const views = { ...tags(products), ...tags(shops) };
  const services = {
    transfers: { views, blocks: namedBlocks({ blocks }) },
    shops: { views: tags(shops), blocks: null },
    unserved: { views: { ...views, other_view: {} }, blocks: null },
  };
  await noteServices(database.pool, services, 'ana@laptop');
});
afterAll(() => database.drop());

const get = (...args: string[]): Promise<CliResult> =>
  runCli(['get', ...args, '--at', '2001-06-10T12:00:00Z'], { DATABASE_URL: database.url });

describe('millrace get SERVICE', () => {
  it('reads all of its views and roles, each by the names its keys go by', async () => {
    const keys = ['receiver=süd', 'shop=north', 'number=3000000000000000', 'sender=süd'];
    const { stdout, exitCode } = await get('transfers', ...keys, '--json');
    expect(exitCode).toBe(0);
    const { service, version, views } = JSON.parse(stdout) as {
      service: string;
      version: number;
      views: Record<string, unknown>;
    };
    expect([service, version, Object.keys(views)]).toEqual(['transfers', 1, ['to', 'product_sales', 'from']]);
    const one = async (...args: string[]): Promise<unknown> => JSON.parse((await get(...args, '--json')).stdout);
    const volatile = { freshness_seconds: expect.anything() as unknown };
    expect(views['to']).toEqual({ ...((await one('shop_sales', 'shop=süd')) as object), ...volatile });
    expect(views['from']).toEqual(views['to']);
    const product = await one('product_sales', 'shop=north', 'number=3000000000000000');
    expect(views['product_sales']).toEqual({ ...(product as object), ...volatile });

    const table = await get('transfers', ...keys);
    expect(table.stdout).toMatch(/│ to\.sales_1d +│ 2 +│/);
    expect(table.stdout).toMatch(/^from: as of 2001-06-10T12:00:00\.000000Z · version 1/m);
    expect(await one('shops', 'shop=north')).toMatchObject({
      service: 'shops',
      views: { shop_sales: { found: true } },
    });
  });

  it('refuses a key that is missing or no such, and a service that is not served', async () => {
    expect(await get('transfers', 'receiver=a', 'shop=b', 'number=1', 'sendr=a')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('service "transfers" has no key "sendr"; expected receiver=<string>') as string,
    });
    expect(await get('transfers', 'receiver=a', 'shop=b', 'number=1')).toMatchObject({
      stderr: expect.stringContaining('key "sender" is missing') as string,
    });
    expect(await get('unserved', 'shop=b')).toMatchObject({
      stderr: expect.stringContaining('error unknown-view') as string,
    });
  });
});
