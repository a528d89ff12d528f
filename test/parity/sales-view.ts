import { z } from 'zod';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { entity, featureView, source } from '../../index.ts';

/** A sale as the log has it. */
export interface Sale {
  readonly id: string;
  /** ISO UTC. */
  readonly at: string;
  readonly customer: string;
  readonly amount: number | null;
  readonly price: number | null;
  readonly shop: string | null;
  readonly channel: 'web' | 'app' | null;
}

const sales = source('sales', {
  schema: z.object({
    id: z.string(),
    at: z.iso.datetime(),
    customer: z.string(),
    amount: z.int().nullable(),
    price: z.number().nullable(),
    shop: z.string().nullable(),
    channel: z.enum(['web', 'app']).nullable(),
  }),
  eventTime: 'at',
  eventId: 'id',
  topic: 'sales',
  maxAhead: false,
});

/** Every aggregate of more than one number or one event, and what is derived of some. */
const salesOf = featureView('sales_of', {
  entity: entity('customer', { customer: z.string() }),
  source: sales,
  features: (f) => ({
    variance: f.variance('amount').over('1d'),
    stddev: f.stddev('amount').over('1d'),
    cheapest_shop: f.minBy('shop', 'amount').over('1d'),
    dearest_shop: f.maxBy('shop', 'amount').over('1d'),
    first_shops: f.firstN('shop', 2).over('1d'),
    first_new_shops: f.firstN('shop', 3, { distinct: true }).over('1d'),
    last_shops: f.lastN('shop', 3).over('1d'),
    last_other_shops: f.lastN('shop', 2, { distinct: true }).over('1d'),
    shops: f.distinct('shop').over('1d'),
    shops_about: f.approxDistinct('shop').over('1d'),
    top_shops: f.topK('shop', 2).over('1d'),
    amounts: f.histogram('amount').over('1d'),
    prices: f.quantiles('price', [0.5, 0.9]).over('1d'),
    price: f.median('price').over('1d'),
    dear: f
      .sum('amount')
      .where((e) => (e.price ?? 0) > 2)
      .over('1d'),
    amount_by: f.sum('amount').by('channel').over('1d'),
    sales_by: f.count().by('channel').over('1d'),
    least_by: f.min('amount').by('channel').over('1d'),
    last_shop_by: f.last('shop').by('channel').over('1d'),
    dearest_shop_by: f.maxBy('shop', 'amount').by('channel').over('1d'),
    last_shops_by: f.lastN('shop', 1).by('channel').over('1d'),
    new_shops_by: f.firstN('shop', 2, { distinct: true }).by('channel').over('1d'),
    sales: f.count().over('1d'),
  }),
  derived: (d) => ({
    web_share: d.number((v) => (v.sales === 0 ? null : (v.sales_by?.web ?? 0) / v.sales)),
    newest_shops: d.list(z.string(), (v) => v.last_shops?.toReversed() ?? null),
  }),
});

/** The view as plan and worker have it. */
export async function salesView(): Promise<CompiledView> {
  const { views } = await compileDefinitions(definitionsInMemory([salesOf], '/'));
  return views.get('sales_of')!;
}
