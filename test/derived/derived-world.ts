import { z } from 'zod';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { entity, featureView, source } from '../../index.ts';

export const purchases = source('purchases', {
  schema: z.object({
    id: z.string(),
    at: z.iso.datetime(),
    customer: z.string(),
    amount: z.int64(),
    note: z.string().nullable(),
  }),
  eventTime: 'at',
  eventId: 'id',
  topic: 'purchases',
  maxAhead: false,
  invalidLimit: { rate: 1, window: 1000 },
});
export const customer = entity('customer', { customer: z.string() });

/** Derived features of each kind: ones that fail on some data, ones over others, and ones over what may be in error. */
export const spending = featureView('spending', {
  entity: customer,
  source: purchases,
  features: (f) => ({
    n_1d: f.count().over('1d'),
    n_7d: f.count().over('7d'),
    total_7d: f.sum('amount').over('7d'),
    last_at: f.last('at'),
    note: f.last('note').default('none'),
  }),
  derived: [
    (d) => ({
      share: d.number((v) => v.n_1d / v.n_7d),
      since: d.int((v, { at }) => (v.last_at === null ? null : at - v.last_at)),
      total_text: d.string((v) => (v.total_7d === null ? null : v.total_7d.toString(36))),
      hour: d.int((_, { at }) => new Date(at / 1000).getUTCHours()),
    }),
    (d) => ({
      words: d.list(z.string(), (v) => [...(v.total_text?.split('') ?? []), v.note]),
      seen: d.timestamp((v, { at }) => (v.since === null ? null : at - v.since)),
    }),
    (d) => ({
      wordy: d.boolean((v) => {
        if (v.note === 'odd') throw new RangeError('odd');
        return (v.words?.length ?? 0) > 3;
      }),
    }),
  ],
});

/** The view as plan and worker have it. */
export async function compiledSpending(): Promise<CompiledView> {
  const { views } = await compileDefinitions(definitionsInMemory([spending], '/'));
  return views.get('spending')!;
}
