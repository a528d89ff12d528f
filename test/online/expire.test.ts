import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { featureService } from '../../engine/define/feature-service.ts';
import { featureView } from '../../engine/define/feature-view.ts';
import { createClient } from '../../engine/online/client.ts';
import { createOnlineStore } from '../../engine/online/online-store.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';
import { compiled, fixedClock, NOW_US, publish, sale, sales, shop } from './online-fixture.ts';

const DAY = 86_400_000_000;

/** Features that would last: over a window that is longer than the view expires, with a default, and over all time. */
const brief = featureView('brief_sales', {
  entity: shop,
  source: sales,
  where: (e) => e.paid,
  expire: '7d',
  features: (f) => ({
    sales_30d: f.count().over('30d'),
    dearest_30d: f.max('price').over('30d').default('-1'),
    last_channel: f.last('channel'),
  }),
});
const model = featureService('brief_model', [brief]);

let database: OwnDatabase;
let view: CompiledView;

/** Their newest events that `where` keeps are so long before now; one of each was dropped, just now. */
const shops = { fresh: 7 * DAY - 1, edge: 7 * DAY, old: 7 * DAY + 1 };

beforeAll(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl);
  await migrateToLatest(database.pool);
  [view] = (await compiled(brief, model)) as [CompiledView];
  const rows = Object.entries(shops).flatMap(([shop, before], n) => [
    sale(2 * n, { shop, at: NOW_US - before, price: '5.00', channel: 'web' }),
    sale(2 * n, { shop, id: `before ${n}`, at: NOW_US - before - DAY, price: '7.00', channel: 'till' }),
  ]);
  await publish(database.pool, view, rows);
});
afterAll(() => database.drop());

const KNOWN = { sales_30d: 2, dearest_30d: '7.00', last_channel: 'web' };
const NEVER_SEEN = { sales_30d: 0, dearest_30d: '-1.00', last_channel: null };

describe('an entity that has expired', () => {
  it('is to readers one that was never seen, from exactly its newest event and the time to expire on', async () => {
    const client = createClient({ pool: database.pool, clock: fixedClock });
    const reads = await client.getMany(
      brief,
      ['fresh', 'edge', 'old', 'nowhere'].map((shop) => ({ shop })),
    );
    const [fresh, edge, old, nowhere] = reads;
    expect(fresh).toMatchObject({ values: KNOWN, found: true, ahead: false, seq: 0 });
    expect(nowhere).toMatchObject({ values: NEVER_SEEN, found: false, ahead: false, seq: null });
    // Whether the row is there still is not to be seen of an answer.
    const unnamed = (read: typeof fresh) => ({ ...read, requestId: '' });
    expect(unnamed(edge)).toEqual(unnamed(nowhere));
    expect(unnamed(old)).toEqual(unnamed(nowhere));
  });

  it('is found by reads of before, and by one that is ahead of them all', async () => {
    const store = createOnlineStore({ pool: database.pool, clock: fixedClock });
    const at = async (atUs: number) => (await store.get('brief_sales', [['old']], { atUs }))[0];
    expect(await at(NOW_US - 1)).toMatchObject({ found: false });
    expect(await at(NOW_US - 2)).toMatchObject({ found: true, ahead: false });
    expect(await at(NOW_US - shops.old)).toMatchObject({ found: true, ahead: true });
    expect(await at(NOW_US - 60 * DAY)).toMatchObject({ found: true, ahead: true });
  });

  it('reads so of some features, too', async () => {
    const store = createOnlineStore({ pool: database.pool, clock: fixedClock });
    const [read] = await store.get('brief_sales', [['edge']], { features: ['last_channel', 'sales_30d'] });
    expect(read).toMatchObject({ values: [null, 0], found: false, seq: null });
  });

  it('has no row in SQL', async () => {
    const at = async (atUs: number) => {
      const time = `timestamptz '1970-01-01 00:00:00+00' + ${atUs} * interval '1 microsecond'`;
      const { rows } = await database.pool.query<{ shop: string; sales_30d: number; last_channel: string }>(
        `SELECT shop, sales_30d, last_channel FROM millrace.brief_sales_at(${time}) ORDER BY shop`,
      );
      return rows;
    };
    const known = { sales_30d: 2, last_channel: 'web' };
    expect(await at(NOW_US)).toEqual([{ shop: 'fresh', ...known }]);
    expect(await at(NOW_US - 1)).toEqual([
      { shop: 'edge', ...known },
      { shop: 'fresh', ...known },
    ]);
    expect(await at(NOW_US + 1)).toEqual([]);
    const { rows: now } = await database.pool.query('SELECT * FROM millrace.brief_sales');
    expect(now).toEqual([]);
  });

  it('has its row damaged as any other', async () => {
    await database.pool.query(
      "UPDATE millrace_state.brief_sales_v1 SET state = set_byte(state, 6, 1) WHERE shop = 'edge'",
    );
    const store = createOnlineStore({ pool: database.pool, clock: fixedClock });
    expect((await store.get('brief_sales', [['edge']]))[0]).toMatchObject({
      found: true,
      errors: { '*': 'state-corrupt' },
    });
    const { rows } = await database.pool.query('SELECT shop, errors FROM millrace.brief_sales');
    expect(rows).toEqual([{ shop: 'edge', errors: { '*': 'state-corrupt' } }]);
  });

  it('is there again in SQL where its view expires no more, in place', async () => {
    await database.pool.query('CREATE VIEW on_top AS SELECT shop FROM millrace.brief_sales');
    const [lasting] = (await compiled({ ...brief, expire: null })) as [CompiledView];
    await publish(database.pool, lasting, [sale(0, { shop: 'old', at: NOW_US - shops.old })]);
    const { rows } = await database.pool.query('SELECT shop FROM on_top');
    expect(rows).toEqual([{ shop: 'old' }]);
    // Who was written against the other rule is told of it, without a lock too.
    const client = createClient({ pool: database.pool, clock: fixedClock });
    await expect(client.get(brief, { shop: 'old' })).rejects.toMatchObject({
      code: 'definition-changed',
      message: expect.stringMatching(/"expireUs":604800000000/) as string,
    });
  });
});
