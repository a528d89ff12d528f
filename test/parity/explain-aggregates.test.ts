import { afterEach, expect, inject, test } from 'vitest';
import { explainEntity } from './explain-entity.ts';
import { openWorld, type ParityWorld } from './parity-world.ts';
import { type Sale, salesView } from './sales-view.ts';

const HOUR_US = 3_600_000_000;
/** Hours since now: the stream's commits are made at the database's present. */
const START_US = Math.floor(Date.now() / 3_600_000) * HOUR_US - 40 * HOUR_US;

let open: (ParityWorld & { close(): Promise<void> }) | null = null;
afterEach(async () => {
  await open?.close();
  open = null;
});

/** Of each feature its value, the records behind it by their ids, newest first, and the one whose value it is. */
const BEHIND: Readonly<Record<string, readonly [value: unknown, records: string, deciding?: string]>> = {
  // 10, 30, 30, 10, 10: n·Σx² − (Σx)² over n(n − 1) is (5·2100 − 90²) / 20.
  variance: [120, 'f e d b a'],
  stddev: [Math.sqrt(120), 'f e d b a'],
  // Of equal amounts the earliest, and the latest; e has no shop.
  cheapest_shop: ['x', 'f d b a', 'a'],
  dearest_shop: ['z', 'f d b a', 'd'],
  first_shops: [['x', 'y'], 'b a'],
  first_new_shops: [['x', 'y', 'z'], 'd b a'],
  last_shops: [['x', 'z', 'x'], 'f d c'],
  last_other_shops: [['z', 'x'], 'f d'],
  shops: [3, 'f d c b a'],
  shops_about: [3, 'f d c b a'],
  top_shops: [['x', 'y'], 'f d c b a'],
  amounts: [{ map: { '10': 3, '30': 2 } }, 'f e d b a'],
  dear: [40, 'f b'],
  // f has no channel, c no amount.
  amount_by: [{ map: { web: 50, app: 30 } }, 'e d b a'],
  sales_by: [{ map: { web: 3, app: 2 } }, 'e d c b a'],
  least_by: [{ map: { web: 10, app: 30 } }, 'e b'],
  last_shop_by: [{ map: { web: 'z', app: 'x' } }, 'd c'],
  dearest_shop_by: [{ map: { web: 'z', app: 'y' } }, 'd b'],
  last_shops_by: [{ map: { web: ['z'], app: ['x'] } }, 'd c'],
  new_shops_by: [{ map: { web: ['x', 'z'], app: ['y', 'x'] } }, 'd c b a'],
  sales: [6, 'f e d c b a'],
  web_share: [0.5, ''],
  newest_shops: [['x', 'z', 'x'], ''],
};
/** 0.5, 1.5, 2.5, 3.5, 4: within a hundredth of the one of the rank. */
const PRICES = { records: 'f e c b a', median: 2.5, most: 3.5 };

test('of every aggregate the records behind its value, and no others', async () => {
  open = await openWorld(inject('stack').databaseUrl, { view: await salesView(), nowUs: START_US + 40.5 * HOUR_US });
  const run = open;
  const sell = (id: string, hour: number, ...[amount, price, shop, channel]: SaleOf): void => {
    const atUs = START_US + hour * HOUR_US;
    const sale: Sale = { id, at: new Date(atUs / 1000).toISOString(), customer: 'ana', amount, price, shop, channel };
    run.append(0, [{ value: Buffer.from(JSON.stringify(sale)), timestampUs: atUs }]);
  };
  sell('old', 2, 1000, 1000, 'old', 'web');
  sell('a', 17, 10, 1.5, 'x', 'web');
  sell('b', 18, 30, 2.5, 'y', 'app');
  sell('c', 19, null, 3.5, 'x', 'app');
  await run.backfill();
  sell('d', 20, 30, null, 'z', 'web');
  sell('e', 21, 10, 0.5, null, 'web');
  sell('f', 22, 10, 4, 'x', null);
  await run.stream();
  const { features } = await explainEntity(run, 'ana');
  const idsOf = (records: readonly { readonly eventId: string | null }[]): string =>
    records.map(({ eventId }) => eventId).join(' ');
  for (const { name, value, replayed, records, moreRecords, deciding } of features) {
    expect([name, replayed, moreRecords]).toEqual([name, value, 0]);
    if (name === 'prices' || name === 'price') continue;
    const [expected, ids, one = null] = BEHIND[name]!;
    expect([name, value, idsOf(records), deciding?.eventId ?? null]).toEqual([name, expected, ids, one]);
  }
  const [prices, price] = ['prices', 'price'].map((name) => features.find((feature) => feature.name === name)!);
  const { records, median, most } = PRICES;
  expect([prices, price].map((feature) => idsOf(feature!.records))).toEqual([records, records]);
  const [middle, upper] = prices!.value as [number, number];
  expect(price!.value).toBe(middle);
  expect(Math.abs(middle - median)).toBeLessThanOrEqual(0.01 * median);
  expect(Math.abs(upper - most)).toBeLessThanOrEqual(0.01 * most);
  // What divides them and what orders them stands beside the values.
  const dearest = features.find(({ name }) => name === 'dearest_shop_by')!;
  expect(dearest.records.map(({ value, order, category }) => [value, order, category])).toEqual([
    ['z', 30, 'web'],
    ['y', 30, 'app'],
  ]);
  // Of a derived feature what its function read, each explained by itself.
  expect(features.find(({ name }) => name === 'web_share')!.derivedFrom).toEqual({
    values: { sales: 6, sales_by: { map: { web: 3, app: 2 } } },
    failure: null,
  });
});

type SaleOf = [Sale['amount'], Sale['price'], Sale['shop'], Sale['channel']];
