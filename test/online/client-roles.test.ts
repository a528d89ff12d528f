import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { featureService } from '../../engine/define/feature-service.ts';
import { blockOf } from '../../engine/define/service-blocks.ts';
import { createClient } from '../../engine/online/client.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import type { RecordToWrite } from '../../engine/topic/log-writer.ts';
import type { FeaturesResponse } from '../../serving/api-schemas.ts';
import { type RunningApi, startApi } from '../../serving/start-api.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';
import { compiled, fixedClock, productSales, publish, sale, shopSales } from './online-fixture.ts';

const model = featureService('transfer_model', {
  views: [
    shopSales.as('to', { shop: 'receiver' }),
    productSales.as('sold', { number: 'item' }),
    shopSales,
    shopSales.as('from', { shop: 'sender' }),
  ],
  servingLog: 1,
});

let database: OwnDatabase;
let api: RunningApi;
const sent: Record<string, unknown>[] = [];
const writer = {
  send: async (_: string, records: readonly RecordToWrite[]) => {
    for (const { value } of records) sent.push(JSON.parse(String(value)) as Record<string, unknown>);
  },
  close: async () => {},
};

beforeAll(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl);
  await migrateToLatest(database.pool);
  const views = (await compiled(productSales, shopSales)) as [CompiledView, CompiledView];
  const rows = Array.from({ length: 100 }, (_, n) => sale(n));
  for (const view of views) await publish(database.pool, view, rows);
  const [products, shops] = views;
  const blocks = [
    blockOf(shops, 'to', { shop: 'receiver' }),
    blockOf(products, 'sold', { number: 'item' }),
    blockOf(shops),
    blockOf(shops, 'from', { shop: 'sender' }),
  ];
  const services = new Map([['transfer_model', { blocks }]]);
  api = await startApi({ databaseUrl: database.url, clock: fixedClock, definitions: { services } });
});
afterAll(async () => {
  await api.close();
  await database.drop();
});

const key = { receiver: 'süd', shop: 'north', item: 3_000_000_000_000_000n, sender: 'süd' };

describe('a service of roles', () => {
  it('answers client and HTTP alike, per role, in its order', async () => {
    const client = createClient({ pool: database.pool, clock: fixedClock });
    const read = await client.getService(model, key);
    const response = await fetch(`${api.url}/v1/features`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ service: 'transfer_model', entity: { ...key, item: String(key.item) } }),
    });
    const { results } = (await response.json()) as FeaturesResponse;
    const { views } = results[0]!;
    expect(Object.keys(read)).toEqual(['to', 'sold', 'shop_sales', 'from']);
    expect(Object.keys(views)).toEqual(Object.keys(read));
    for (const name of ['to', 'shop_sales', 'from'] as const) {
      expect(views[name]!.values).toEqual(read[name].values);
      expect([views[name]!.seq, views[name]!.found]).toEqual([read[name].seq, true]);
    }
    expect(views['sold']!.values['sales_1d']).toBe(read.sold.values.sales_1d);
    const plain = async (shop: string) => (await client.get(shopSales, { shop })).values;
    expect([read.to.values, read.shop_sales.values]).toEqual([await plain('süd'), await plain('north')]);
    expect(read.from).toEqual({ ...read.to, requestId: read.from.requestId });
    expect(read.from.values).not.toEqual(read.shop_sales.values);
    await client.close();
  });

  it('asks once per view, for each entity once', async () => {
    const asked: string[] = [];
    const counting = new Proxy(database.pool, {
      get(target, property) {
        const value: unknown = Reflect.get(target, property, target);
        if (typeof value !== 'function') return value;
        if (property !== 'query') return value.bind(target) as unknown;
        return (...args: unknown[]): unknown => {
          // Keys are sent in binary, each column as one array.
          const { values = [] } = args[0] as { readonly values?: readonly unknown[] };
          asked.push(String(Buffer.concat(values.filter((each) => Buffer.isBuffer(each)))));
          return value.apply(target, args) as unknown;
        };
      },
    });
    const client = createClient({ pool: counting, clock: fixedClock });
    await client.getService(model, key);
    asked.length = 0;
    await client.getService(model, key);
    expect(asked).toHaveLength(2);
    // Two shops for three roles, and the shop of the product.
    expect(asked.flatMap((text) => text.match(/north|süd/g)).toSorted()).toEqual(['north', 'north', 'süd']);
    await client.close();
  });

  it('is logged with a row per role', async () => {
    const client = createClient({ pool: database.pool, clock: fixedClock, servingLog: { writer } });
    const read = await client.getService(model, key, { requestId: 'roles' });
    await client.get(shopSales, { shop: 'süd' }, { requestId: 'plain' });
    await client.close();
    const rows = sent.splice(0).filter((row) => row['request_id'] === 'roles');
    expect(rows.map(({ service, view, role, entity, seq }) => [service, view, role, entity, seq])).toEqual([
      ['transfer_model', 'shop_sales', 'to', '{"shop":"süd"}', read.to.seq],
      ['transfer_model', 'product_sales', 'sold', '{"shop":"north","number":"3000000000000000"}', read.sold.seq],
      ['transfer_model', 'shop_sales', undefined, '{"shop":"north"}', read.shop_sales.seq],
      ['transfer_model', 'shop_sales', 'from', '{"shop":"süd"}', read.to.seq],
    ]);
    expect(new Set(rows.map(({ read_id: id }) => id)).size).toBe(4);
  });

  it('names the column of a role that is missing or no such key', async () => {
    const client = createClient({ pool: database.pool, clock: fixedClock });
    const { sender: _, ...without } = key;
    await expect(client.getService(model, without as typeof key)).rejects.toMatchObject({
      code: 'invalid-key',
      message: expect.stringContaining('view "shop_sales", key "sender"'),
      remedy: 'Give the join keys of entity "shop": { sender: string }.',
    });
    await expect(client.getService(model, { ...key, item: 7 as never })).rejects.toMatchObject({
      code: 'invalid-key',
      message: expect.stringContaining('key "item"'),
    });
    await client.close();
  });
});
