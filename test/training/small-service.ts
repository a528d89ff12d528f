import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { decimal } from '../../engine/contract/decimal.ts';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import type { CompiledService } from '../../engine/define/compiled-view.ts';
import { entity } from '../../engine/define/entity.ts';
import { featureService } from '../../engine/define/feature-service.ts';
import { featureView } from '../../engine/define/feature-view.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { source } from '../../engine/define/source.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { exportTrainingSet } from '../../engine/training/export-training-set.ts';
import type { TrainingManifest, TrainingOptions } from '../../engine/training/training-types.ts';

const order = entity('purchase', {
  shop: z.string(),
  kind: z.enum(['web', 'store']),
  number: z.int(),
  big: z.int64(),
  price: decimal(6, 2),
  paid: z.boolean(),
  day: z.iso.date(),
  at: z.iso.datetime(),
});
const customer = entity('customer', { shop: z.string() });
const orders = source('orders', {
  schema: z.object({
    ts: z.iso.datetime(),
    shop: z.string(),
    kind: z.enum(['web', 'store']),
    number: z.int(),
    big: z.int64(),
    price: decimal(6, 2),
    paid: z.boolean(),
    day: z.iso.date(),
    at: z.iso.datetime(),
  }),
  eventTime: 'ts',
  history: { path: 'orders.jsonl', disjoint: true },
});
const byKey = featureView('by_key', { entity: order, source: orders, features: (f) => ({ orders: f.count() }) });
const byShop = featureView('by_shop', {
  entity: customer,
  source: orders,
  features: (f) => ({
    orders_1h: f.count().over('1h'),
    spent: f.sum('price'),
    last_kind: f.last('kind'),
    last_big: f.last('big'),
    last_day: f.last('day'),
    last_at: f.last('at'),
    any_paid: f.max('paid'),
  }),
});

/** One order of every key type, at 2001-06-01T00:00:00Z. */
export const ORDER = {
  ts: '2001-06-01T00:00:00Z',
  shop: 'a',
  kind: 'web',
  number: 7,
  big: '9223372036854775807',
  price: '1.50',
  paid: true,
  day: '2001-05-31',
  at: '2001-05-31T12:00:00.000001Z',
};

export type SmallService = 'wide' | 'narrow';

/** A service over a history of one order: `wide` asks for every type of join key, `narrow` for the shop alone. */
export async function smallService(folder: string, name: SmallService): Promise<CompiledService> {
  await writeFile(join(folder, 'orders.jsonl'), `${JSON.stringify(ORDER)}\n`);
  const services = [featureService('wide', [byKey, byShop]), featureService('narrow', [byShop])];
  const definitions = await compileDefinitions(
    definitionsInMemory([order, customer, orders, byKey, byShop, ...services], folder),
  );
  return definitions.services.get(name)!;
}

/** Exports `spine` (a file name in the folder) with a small service, to `out.parquet` in the folder. */
export async function exportSmall(
  folder: string,
  spine: string,
  more: Partial<TrainingOptions> & { readonly name?: SmallService } = {},
): Promise<TrainingManifest> {
  const { name = 'narrow', ...options } = more;
  return exportTrainingSet({
    service: await smallService(folder, name),
    spine: join(folder, spine),
    out: join(folder, 'out.parquet'),
    mode: 'event-time',
    reader: null,
    spillDir: join(folder, 'spill'),
    clock: systemClock,
    ...options,
  });
}
