import type pg from 'pg';
import { z } from 'zod';
import type { Micros } from '../../engine/values/field-type.ts';
import { decimal } from '../../engine/contract/decimal.ts';
import type { ScalarValue } from '../../engine/values/field-type.ts';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import type { CompiledView, PreparedEvent, Row } from '../../engine/define/compiled-view.ts';
import { entity } from '../../engine/define/entity.ts';
import { featureService } from '../../engine/define/feature-service.ts';
import { featureView } from '../../engine/define/feature-view.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { source } from '../../engine/define/source.ts';
import type { Clock } from '../../engine/values/clock.ts';
import { emptyCounts } from '../../engine/admission/log-counts.ts';
import { publishVersion } from '../../engine/online/publish-version.ts';
import { copyStates, createStateTable, finishStateTable } from '../../engine/postgres/state-table.ts';
import { insertStreamOffsets } from '../../engine/postgres/stream-offsets.ts';
import { withTransaction } from '../../engine/postgres/transaction.ts';
import { insertVersion, markBuilt } from '../../engine/postgres/view-versions.ts';
import { createViewReducer } from '../../engine/state/create-view-reducer.ts';
import type { EntityState } from '../../engine/state/view-reducer.ts';

export const NOW_US = Date.UTC(2001, 5, 10, 12) * 1000;

/** A clock that stands still. */
export const fixedClock: Clock = { nowUs: () => NOW_US, monotonicMs: () => performance.now() };

export const product = entity('product', { shop: z.string(), number: z.int64() });
export const shop = entity('shop', { shop: z.string() });

export const sales = source('sales', {
  schema: z.object({
    id: z.string(),
    at: z.iso.datetime(),
    shop: z.string(),
    number: z.int64(),
    price: decimal(12, 2),
    weight: z.number().nullable(),
    pieces: z.int(),
    total: z.int64(),
    channel: z.enum(['web', 'till', 'é']),
    paid: z.boolean(),
    day: z.iso.date(),
  }),
  eventTime: 'at',
  eventId: 'id',
  topic: 'sales',
});

/** Every aggregate, and every type that one can have. */
export const productSales = featureView('product_sales', {
  entity: product,
  source: sales,
  features: (f) => ({
    sales_1d: f.count().over('1d'),
    weighed_1d: f.count('weight').over('1d'),
    price_sum_7d: f.sum('price').over('7d'),
    price_avg_7d: f.avg('price').over('7d'),
    weight_sum_1h: f.sum('weight').over('1h'),
    weight_avg: f.avg('weight'),
    weight_max_7d: f.max('weight').over('7d'),
    pieces_sum: f.sum('pieces'),
    pieces_min_7d: f.min('pieces').over('7d'),
    total_sum_7d: f.sum('total').over('7d'),
    total_last: f.last('total'),
    channel_first_7d: f.first('channel').over('7d'),
    channel_max: f.max('channel'),
    paid_last: f.last('paid'),
    day_min: f.min('day'),
    at_last_7d: f.last('at').over('7d'),
    price_last: f.last('price'),
    id_max_7d: f.max('id').over('7d'),
    price_deviation_7d: f.stddev('price').over('7d'),
    price_variance: f.variance('price', { population: true }),
    weight_variance: f.variance('weight'),
    weight_deviation_1d: f.stddev('weight').over('1d'),
    pieces_variance_7d: f.variance('pieces').over('7d'),
    total_deviation: f.stddev('total', { population: true }),
    paid_1d: f
      .count()
      .where((e) => e.paid)
      .over('1d'),
    unpaid_price_sum_7d: f
      .sum('price')
      .over('7d')
      .where((e) => !e.paid),
    price_or_1m: f.last('price').over('1m').default('-0.5'),
    weight_or_1m: f.max('weight').over('1m').default(-1e-7),
    pieces_or_1m: f.sum('pieces').over('1m').default(Number.MIN_SAFE_INTEGER),
    total_or_1m: f
      .min('total')
      .over('1m')
      .default(-(2n ** 63n)),
    channel_or_1m: f.last('channel').over('1m').default('é'),
    shop_or_1m: f.first('shop').over('1m').default("o'none \\ é"),
    paid_or_1m: f.last('paid').over('1m').default(false),
    day_or_1m: f.maxBy('day', 'weight').over('1m').default('2001-02-28'),
    at_or_1m: f
      .last('at')
      .over('1m')
      .default(-1 as Micros),
    deviation_or_1m: f.stddev('price').over('1m').default(0),
    paid_day_before: f
      .count()
      .where((e) => e.paid)
      .over('1d', { ago: '1d' }),
    price_deviation_week_before: f.stddev('price').over('7d', { ago: '7d' }),
    channel_of_heaviest_half_hour_ago: f.maxBy('channel', 'weight').over('7d', { ago: '30m' }),
    weight_median_7d: f.median('weight').over('7d'),
    weight_median_or_1m: f.median('weight').over('1m').default(-1e-7),
    total_median: f.median('total', { accuracy: 0.005 }),
    at_cheapest_7d: f.minBy('at', 'price').over('7d'),
    heaviest_channel: f.maxBy('channel', 'weight'),
    ids_7d: f.lastN('id', 3).over('7d'),
    totals: f.firstN('total', 5),
    weights_1d: f.lastN('weight', 4).over('1d'),
    times_7d: f.lastN('at', 2).over('7d'),
    prices_1d: f.firstN('price', 3, { distinct: true }).over('1d'),
    channels: f.lastN('channel', 10, { distinct: true }),
    days_or_1m: f.lastN('day', 2).over('1m').default(['2001-02-28', '0001-01-01']),
    paid_or_none_1m: f.lastN('paid', 2).over('1m').default([]),
    totals_or_1m: f
      .lastN('total', 2)
      .over('1m')
      .default([-(2n ** 63n)]),
    texts_or_1m: f.firstN('shop', 2).over('1m').default(["o'none \\ é", '["x"]', '__proto__']),
    ids_by_channel_7d: f.lastN('id', 2).over('7d').by('channel'),
    sales_by_channel_7d: f.count().by('channel').over('7d'),
    price_by_shop: f.sum('price').by('shop'),
    total_by_day_7d: f.max('total').by('day').over('7d'),
    weight_by_pieces: f.avg('weight').by('pieces'),
    last_at_by_number: f.last('at').by('number'),
    deviation_by_paid_1d: f.stddev('price').over('1d').by('paid'),
    channel_by_id_1m: f
      .last('channel')
      .by('id')
      .over('1m')
      .default({ ['__proto__']: 'web', 'a.b': 'é', '"': 'till' }),
    weight_by_paid_1m: f.avg('weight').by('paid').over('1m').default({}),
    day_of_most_pieces: f.maxBy('day', (e) => (e.paid ? e.pieces : null), { byType: z.int() }).over('30d'),
  }),
});

export const shopSales = featureView('shop_sales', {
  entity: shop,
  source: sales,
  features: (f) => ({ sales_1d: f.count().over('1d'), last_channel: f.last('channel') }),
});

/** What `shop_sales` may become: other features, other state. */
export const shopSalesNext = featureView('shop_sales', {
  entity: shop,
  source: sales,
  features: (f) => ({
    sales_2d: f.count().over('2d'),
    pieces_7d: f.sum('pieces').over('7d'),
    last_channel: f.last('channel'),
  }),
});

/** A view of the same name about something else. */
export const shopSalesByProduct = featureView('shop_sales', {
  entity: product,
  source: sales,
  features: (f) => ({ sales_1d: f.count().over('1d') }),
});

export const salesModel = featureService('sales_model', [productSales, shopSales]);

/** Compiles views by their definitions. */
export async function compiled(
  ...views: readonly Parameters<typeof definitionsInMemory>[0][number][]
): Promise<CompiledView[]> {
  const definitions = await compileDefinitions(definitionsInMemory(views, '/'));
  return [...definitions.views.values()];
}

/** A sale, some time before `NOW_US`; `n` varies everything. */
export function sale(n: number, overrides: Row = {}): Row {
  return {
    id: `s${n}`,
    at: NOW_US - ((n * 7_919) % 10_000) * 60_000_000 - 1 - n,
    shop: ['north', 'süd', "o'shop \\"][n % 3],
    number: BigInt(n % 5) * 3_000_000_000_000_000n,
    price: `${n % 100}.${String((n * 37) % 100).padStart(2, '0')}`,
    weight: n % 4 === 0 ? null : (n % 13) * 0.1 - 0.3,
    pieces: (n % 21) - 10,
    total: 40_000_000_000_000_000n - BigInt(n) * 1_000_000_000_000_003n,
    channel: ['web', 'till', 'é'][(n * 5) % 3],
    paid: n % 2 === 0,
    day: new Date(Date.UTC(2001, 0, 1 + (n % 200))).toISOString().slice(0, 10),
    ...overrides,
  };
}

export interface Entity {
  readonly key: readonly ScalarValue[];
  readonly state: EntityState;
}

/** The states that rows lead to, by key text. */
export function statesOf(view: CompiledView, rows: readonly Row[]): Map<string, Entity> {
  const reducer = createViewReducer(view.layout);
  const entities = new Map<string, Entity>();
  for (const [offset, row] of rows.entries()) {
    const event: PreparedEvent = {
      keyText: '',
      key: [],
      eventTimeUs: 0,
      id: null,
      partition: 0,
      offset: 0,
      inputs: [],
    };
    const outcome = view.prepare(
      { row, eventTimeUs: row['at'] as number, id: row['id'] as string, partition: -1, offset, number: offset },
      event,
    );
    if (outcome !== 'ok') throw new Error(`a fixture row is ${JSON.stringify(outcome)}`);
    const known = entities.get(event.keyText) ?? { key: [...event.key], state: reducer.empty() };
    reducer.apply(known.state, event);
    entities.set(event.keyText, known);
  }
  return entities;
}

/** Builds a version of `view` from rows, without publishing it. */
export async function buildVersion(pool: pg.Pool, view: CompiledView, rows: readonly Row[]): Promise<number> {
  const reducer = createViewReducer(view.layout);
  const entities = statesOf(view, rows);
  return withTransaction(pool, async (client) => {
    const { version, stateTable } = await insertVersion(client, {
      view: view.name,
      fingerprint: view.fingerprint,
      layout: view.layout,
      layoutTag: reducer.layoutTag,
      source: view.source.name,
      topic: view.source.topic,
      builder: 'test',
      tags: view.tags,
    });
    await createStateTable(client, view.layout, stateTable);
    const states = [...entities.values()].map(({ key, state }) => ({ key, state: reducer.encode(state) }));
    await copyStates(client, stateTable, view.layout, states);
    await finishStateTable(client, view.layout, stateTable);
    const newest = rows.length === 0 ? null : Math.max(...rows.map((row) => row['at'] as number));
    await markBuilt(client, {
      view: view.name,
      version,
      cut: null,
      history: null,
      counts: { ...emptyCounts(), records: rows.length, applied: rows.length },
      entities: entities.size,
      historyWatermarkUs: newest,
    });
    await insertStreamOffsets(
      client,
      [0, 1].map((partition) => ({
        view: view.name,
        version,
        topic: 'sales',
        partition,
        nextOffset: 0,
        endOffset: 0,
        watermarkUs: newest,
        clusterId: 'test',
        anchorOffset: null,
        anchorDigest: null,
        begun: true,
        verdicts: null,
        mostlyInvalid: false,
      })),
    );
    return version;
  });
}

/** Builds and publishes. */
export async function publish(pool: pg.Pool, view: CompiledView, rows: readonly Row[]): Promise<number> {
  const version = await buildVersion(pool, view, rows);
  await publishVersion({ pool, view: view.name, version });
  return version;
}
