import { z } from 'zod';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import type { CompiledSource, CompiledView } from '../../engine/define/compiled-view.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { entity, featureView, source } from '../../index.ts';

/**
 * A view over purchases, as `spendingView` has them, of what is more than a number: maps, lists, counts by value and sketches, in tiles and
 * for a lifetime, that expires. `changes` are of its source.
 */
export async function compositeView(changes: Partial<CompiledSource>): Promise<CompiledView> {
  const purchases = source('purchases', {
    schema: z.object({
      id: z.string(),
      at: z.iso.datetime(),
      customer: z.string(),
      amount: z.int().nullable(),
    }),
    eventTime: 'at',
    eventId: 'id',
    topic: 'purchases',
  });
  const spending = featureView('spending', {
    entity: entity('customer', { customer: z.string() }),
    source: purchases,
    expire: '2d',
    features: (f) => ({
      purchases_1d: f.count().over('1d'),
      by_amount_1d: f.count().by('amount').over('1d'),
      spent_by_amount: f.sum('amount').by('amount'),
      last_ids_1h: f.lastN('id', 5).over('1h'),
      first_amounts: f.firstN('amount', 3, { distinct: true }),
      quantiles_1h: f.quantiles('amount', [0.5, 0.9]).over('1h'),
      median: f.median('amount'),
      ids_about: f.approxDistinct('id'),
      amounts_1h: f.distinct('amount').over('1h'),
      often_1d: f.topK('amount', 2).over('1d'),
      deviation_1h: f.stddev('amount').over('1h'),
      dearest: f.maxBy('id', 'amount'),
      large_before: f
        .count()
        .where((e) => (e.amount ?? 0) > 5)
        .over('1h', { ago: '1h' }),
    }),
  });
  const { views } = await compileDefinitions(definitionsInMemory([spending], '/'));
  const view = views.get('spending')!;
  return { ...view, source: { ...view.source, ...changes } };
}
