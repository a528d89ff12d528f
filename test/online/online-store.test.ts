import { afterAll, beforeAll, describe, expect, expectTypeOf, inject, it } from 'vitest';
import type { CompiledView, Row } from '../../engine/define/compiled-view.ts';
import { carriedJson } from '../../engine/values/composite-text.ts';
import { createClient } from '../../engine/online/client.ts';
import { carriedValues } from './carried-values.ts';
import { createOnlineStore } from '../../engine/online/online-store.ts';
import { publishVersion, retireView } from '../../engine/online/publish-version.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { dropStateTable } from '../../engine/postgres/state-table.ts';
import { liveVersion } from '../../engine/postgres/live-version.ts';
import { versions } from '../../engine/postgres/view-versions.ts';
import { createViewReducer } from '../../engine/state/create-view-reducer.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';
import {
  buildVersion,
  compiled,
  fixedClock,
  NOW_US,
  productSales,
  publish,
  sale,
  salesModel,
  shopSales,
  shopSalesByProduct,
  shopSalesNext,
  statesOf,
} from './online-fixture.ts';

let database: OwnDatabase;
let products: CompiledView;
let shops: CompiledView;
let shopsNext: CompiledView;
const rows: Row[] = Array.from({ length: 400 }, (_, n) => sale(n));

beforeAll(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl, 12);
  await migrateToLatest(database.pool);
  [products, shops] = (await compiled(productSales, shopSales)) as [CompiledView, CompiledView];
  [shopsNext] = (await compiled(shopSalesNext)) as [CompiledView];
  await publish(database.pool, products, rows);
});
afterAll(() => database.drop());

/** Counts the statements the store sends that read states. */
function countingPool(pool: OwnDatabase['pool']): { pool: OwnDatabase['pool']; reads: () => number } {
  let reads = 0;
  const counting = new Proxy(pool, {
    get(target, property) {
      if (property !== 'query') {
        const value: unknown = Reflect.get(target, property, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      }
      return (query: { name?: string }) => {
        if (query.name?.startsWith('millrace-get-') === true) reads++;
        return target.query(query as never);
      };
    },
  });
  return { pool: counting, reads: () => reads };
}

describe('OnlineStore.get', () => {
  it('gives what the engine reads of each entity, in the order of the keys, at any time', async () => {
    const store = createOnlineStore({ pool: database.pool, clock: fixedClock });
    const reducer = createViewReducer(products.layout);
    const entities = [...statesOf(products, rows).values()];
    for (const atUs of [undefined, NOW_US + 1, NOW_US + 3 * 86_400_000_000, NOW_US - 86_400_000_000]) {
      const reads = await store.get('product_sales', entities.map(({ key }) => key).toReversed(), { atUs });
      expect(reads.map((read) => read.values)).toEqual(
        entities.map(({ state }) => reducer.read(state, atUs ?? NOW_US)).toReversed(),
      );
      expect(reads.map((read) => [read.found, read.asOfUs, read.seq])).toEqual(
        reads.map(() => [true, atUs ?? NOW_US, 0]),
      );
      expect(reads.map((read) => read.ahead)).toEqual(
        entities.map(({ state }) => (atUs ?? NOW_US) <= state.newestEventTimeUs).toReversed(),
      );
      const newestUs = Math.max(...rows.map((row) => row['at'] as number));
      expect(new Set(reads.map((read) => read.freshnessUs))).toEqual(new Set([NOW_US - newestUs]));
    }
  });

  it('reads an unknown entity as one without events', async () => {
    const store = createOnlineStore({ pool: database.pool, clock: fixedClock });
    const [read] = await store.get('product_sales', [['nowhere', 0n]]);
    expect(read).toMatchObject({ found: false, ahead: false, seq: null, version: 1 });
    expect(read?.values).toEqual(
      products.layout.features.map(({ aggregate, result, default: fill }) =>
        aggregate === 'count' && result.kind === 'int' ? 0 : fill === undefined ? null : carriedJson(result)(fill),
      ),
    );
  });

  it('reads chosen features in the order asked', async () => {
    const store = createOnlineStore({ pool: database.pool, clock: fixedClock });
    const [all] = await store.get('product_sales', [['north', 0n]]);
    const [some] = await store.get('product_sales', [['north', 0n]], { features: ['paid_last', 'sales_1d'] });
    expect(some?.features.map((feature) => feature.name)).toEqual(['paid_last', 'sales_1d']);
    expect(some?.values).toEqual([all?.values[13], all?.values[0]]);
  });

  it('sends reads that coincide as one statement, and any number of keys as one', async () => {
    const { pool, reads } = countingPool(database.pool);
    const store = createOnlineStore({ pool, clock: fixedClock });
    const keys = [...statesOf(products, rows).values()].map(({ key }) => key);
    const many = await store.get(
      'product_sales',
      Array.from({ length: 100 }, (_, n) => keys[n % keys.length]!),
    );
    expect(reads()).toBe(1);
    const single = await Promise.all(
      Array.from({ length: 64 }, (_, n) => store.get('product_sales', [keys[n % keys.length]!])),
    );
    expect(reads()).toBe(2);
    expect(single.map(([read]) => read)).toEqual(many.slice(0, 64));
  });

  it('names what is wrong with a request, and lets the requests beside it pass', async () => {
    const store = createOnlineStore({ pool: database.pool, clock: fixedClock });
    const cases: [Promise<unknown>, string, RegExp][] = [
      [store.get('product_sale', [['a', 1n]]), 'unknown-view', /product_sale/],
      [
        store.get('product_sales', [['north', 0n]], { features: ['sales_9d'] }),
        'unknown-feature',
        /sales_9d.*sales_1d/,
      ],
      [
        store.get('product_sales', [['north', 1]]),
        'invalid-key',
        /key "number": expected a 64-bit integer, received 1/,
      ],
      [store.get('product_sales', [['north']]), 'invalid-key', /expected 2 join keys, received 1/],
      [store.get('product_sales', [[null, 1n]]), 'invalid-key', /key "shop": expected text, received null/],
      [store.get('product_sales', [['a\0', 1n]]), 'invalid-key', /key "shop"/],
      [store.get('product_sales', [['a', 2n ** 63n]]), 'invalid-key', /key "number"/],
      [store.get('product_sales', [['a', 1n]], { atUs: 1.5 }), 'invalid-time', /1\.5/],
    ];
    const good = store.get('product_sales', [['north', 0n]]);
    await Promise.all(
      cases.map(([promise, code, message]) =>
        expect(promise).rejects.toMatchObject({
          code,
          httpStatus: 400,
          message: expect.stringMatching(message) as string,
        }),
      ),
    );
    expect((await good)[0]?.found).toBe(true);
  });

  it('names a database that is away', async () => {
    const pool = createPool('postgres://postgres@127.0.0.1:1/none');
    const store = createOnlineStore({ pool, clock: fixedClock });
    await expect(store.get('product_sales', [['a', 1n]])).rejects.toMatchObject({
      code: 'service-unreachable',
      retryable: true,
      message: expect.stringContaining('127.0.0.1:1/none') as string,
    });
    await pool.end();
  });
});

describe('publishing', () => {
  it('flips readers between versions of other features without a missing or mixed answer', async () => {
    const { pool } = database;
    const store = createOnlineStore({ pool, clock: fixedClock });
    await publish(pool, shops, rows.slice(0, 100));
    const shapes = [shops, shopsNext].map((view) => {
      const reducer = createViewReducer(view.layout);
      return {
        view,
        expected: new Map([...statesOf(view, rows)].map(([text, { state }]) => [text, reducer.read(state, NOW_US)])),
      };
    });
    await publish(pool, shops, rows);
    const run = { flipping: true, answers: 0 };
    const seen = new Set<number>();
    const reader = async (): Promise<void> => {
      while (run.flipping) {
        const reads = await store.get('shop_sales', [['north'], ['süd'], ["o'shop \\"]]);
        run.answers++;
        expect(new Set(reads.map((read) => read.version)).size).toBe(1);
        const shape = shapes.find(({ view }) => view.layout.features.length === reads[0]?.features.length)!;
        expect(reads.map((read) => read.values)).toEqual(
          ['north', 'süd', "o'shop \\"].map((key) => shape.expected.get(key)),
        );
        seen.add(reads[0]!.version);
      }
    };
    const sqlReader = async (): Promise<void> => {
      while (run.flipping) {
        const { rows: found } = await pool.query<{ shop: string }>(
          "SELECT * FROM millrace.shop_sales WHERE shop = 'north'",
        );
        expect(found).toHaveLength(1);
      }
    };
    const readers = [reader(), reader(), reader(), sqlReader()];
    const settled = Promise.all(readers);
    for (let flip = 0; flip < 12; flip++) {
      const enough = run.answers + 5;
      const old = await liveVersion(pool, 'shop_sales');
      await publish(pool, flip % 2 === 0 ? shopsNext : shops, rows);
      // As a sweep does, at once and under the readers.
      await dropStateTable(pool, old!.stateTable);
      while (run.answers < enough) await Promise.race([settled, new Promise(setImmediate)]);
    }
    run.flipping = false;
    await settled;
    expect(seen.size).toBeGreaterThan(6);
  });

  it('gives up a read whose view changes its version at every attempt', async () => {
    const { pool } = database;
    await publish(pool, shops, rows.slice(0, 10));
    const changing = new Proxy(pool, {
      get(target, property) {
        const value: unknown = Reflect.get(target, property, target);
        if (property !== 'query') return typeof value === 'function' ? (value.bind(target) as unknown) : value;
        return async (query: { name?: string }) => {
          if (query.name?.startsWith('millrace-get-') === true) await publish(pool, shops, rows.slice(0, 10));
          return target.query(query as never);
        };
      },
    });
    const store = createOnlineStore({ pool: changing, clock: fixedClock });
    await expect(store.get('shop_sales', [['north']])).rejects.toMatchObject({
      code: 'view-changing',
      retryable: true,
    });
  });

  it('is idempotent, and refuses what is not built', async () => {
    const { pool } = database;
    const version = await buildVersion(pool, shops, rows);
    await publishVersion({ pool, view: 'shop_sales', version });
    await publishVersion({ pool, view: 'shop_sales', version });
    const all = await versions(pool, 'shop_sales');
    expect(all.filter(({ status }) => status === 'live').map((one) => one.version)).toEqual([version]);
    expect(all.slice(0, 3).map(({ status }) => status)).toEqual(['live', 'superseded', 'discarded']);
    const { rows: tables } = await pool.query(
      "SELECT FROM pg_tables WHERE schemaname = 'millrace_state' AND tablename LIKE 'shop_sales%'",
    );
    expect(tables).toHaveLength(2);
    await expect(publishVersion({ pool, view: 'shop_sales', version: version - 1 })).rejects.toMatchObject({
      code: 'version-not-built',
    });
    await expect(publishVersion({ pool, view: 'none', version: 1 })).rejects.toMatchObject({ code: 'unknown-view' });
  });

  it("refuses to break a user's own view when columns change", async () => {
    const { pool } = database;
    await pool.query('CREATE VIEW public.mine AS SELECT shop, sales_1d FROM millrace.shop_sales');
    // The same columns: replaced in place, under the user's view.
    await publish(pool, shops, rows.slice(0, 10));
    const version = await buildVersion(pool, shopsNext, rows);
    await expect(publishVersion({ pool, view: 'shop_sales', version })).rejects.toMatchObject({
      code: 'sql-view-in-use',
    });
    await pool.query('DROP VIEW public.mine');
    await publishVersion({ pool, view: 'shop_sales', version });
    expect((await liveVersion(pool, 'shop_sales'))?.version).toBe(version);
  });

  it('retires a view: reads say so, its SQL view is gone, no stream can commit', async () => {
    const { pool } = database;
    const store = createOnlineStore({ pool, clock: fixedClock });
    expect((await store.get('shop_sales', [['north']]))[0]?.found).toBe(true);
    await retireView({ pool, view: 'shop_sales' });
    await retireView({ pool, view: 'shop_sales' });
    await expect(store.get('shop_sales', [['north']])).rejects.toMatchObject({
      code: 'view-not-published',
      httpStatus: 409,
    });
    await expect(pool.query('SELECT * FROM millrace.shop_sales')).rejects.toMatchObject({ code: '42P01' });
    const { rows: tokens } = await pool.query<{ generation: number }>(
      "SELECT DISTINCT generation FROM millrace_catalog.stream_offset WHERE view = 'shop_sales'",
    );
    expect(tokens).toEqual([{ generation: Number.MAX_SAFE_INTEGER }]);
    await publish(pool, shops, rows);
    expect((await store.get('shop_sales', [['north']]))[0]?.found).toBe(true);
  });
});

describe('createClient', () => {
  it('gives values by name, one and many, and a whole service', async () => {
    const client = createClient({ databaseUrl: database.url, clock: fixedClock });
    const one = await client.get(productSales, { shop: 'north', number: 0n });
    const [again, unknown] = await client.getMany(
      productSales,
      [
        { number: 0n, shop: 'north' },
        { shop: 'north', number: -7n },
      ],
      { at: new Date(NOW_US / 1000), requestId: one.requestId },
    );
    expect(again).toEqual(one);
    if (one.errors === null) expectTypeOf(one.values.sales_1d).toEqualTypeOf<number>();
    expect(one.errors).toBe(null);
    expectTypeOf(one.values.price_sum_7d).toEqualTypeOf<string | null>();
    expectTypeOf(one.values.total_last).toEqualTypeOf<bigint | null>();
    expectTypeOf(one.values.ids_7d).toEqualTypeOf<readonly string[] | null>();
    expectTypeOf(one.values.totals).toEqualTypeOf<readonly bigint[] | null>();
    expectTypeOf(one.values.channels).toEqualTypeOf<readonly ('web' | 'till' | 'é')[] | null>();
    expectTypeOf(one.values.ids_by_channel_7d).toEqualTypeOf<
      | {
          readonly [Channel in 'web' | 'till' | 'é']?: readonly string[];
        }
      | null
    >();
    expectTypeOf(one.values.price_by_shop).toEqualTypeOf<Readonly<Record<string, string>> | null>();
    expectTypeOf(one.values.weight_by_pieces).toEqualTypeOf<Readonly<Record<string, number>> | null>();
    expectTypeOf(one.values.channel_max).toEqualTypeOf<'web' | 'till' | 'é' | null>();
    expect(unknown?.found).toBe(false);
    const [stored] = await createOnlineStore({ pool: database.pool, clock: fixedClock }).get('product_sales', [
      ['north', 0n],
    ]);
    expect(carriedValues(products.layout.features, one.values)).toEqual(stored?.values);
    expect(Object.isFrozen(one.values.price_by_shop)).toBe(true);
    expect(Object.getPrototypeOf(one.values.price_by_shop)).toBeNull();
    const service = await client.getService(salesModel, { shop: 'north', number: 0n });
    expect(service.product_sales).toEqual({ ...one, requestId: service.shop_sales.requestId });
    expect(service.shop_sales.values).toEqual((await client.get(shopSales, { shop: 'north' })).values);
    await client.close();
  });

  it('refuses keys by name, and a definition that is not the one served', async () => {
    const client = createClient({ pool: database.pool, clock: fixedClock });
    await expect(client.get(productSales, { shop: 'north' } as never)).rejects.toMatchObject({ code: 'invalid-key' });
    await expect(client.get(productSales, { shop: 'north', number: 1n, size: 2 } as never)).rejects.toMatchObject({
      code: 'invalid-key',
      message: expect.stringContaining('"size"') as string,
    });
    await expect(client.get(shopSalesByProduct, { shop: 'north', number: 1n })).rejects.toMatchObject({
      code: 'definition-changed',
    });
    await expect(client.get(shopSalesNext, { shop: 'north' })).rejects.toMatchObject({
      code: 'definition-changed',
      httpStatus: 409,
    });
  });
});
