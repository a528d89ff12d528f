import { expect } from 'vitest';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import type { FeatureView } from '../../engine/define/feature-view.ts';
import { importDefinitions } from '../../engine/define/import-definitions.ts';
import { writeProject } from './code-of.ts';

const files = {
  'index.ts': `
    import { entity, featureView, source } from 'millrace';
    import { z } from 'zod';
    import { fee, threshold } from './fees.ts';
    import { late } from './late.ts';
    export const shop = entity('shop', { shop: z.string() });
    export const orders = source('orders', {
      schema: z.object({ id: z.string(), at: z.iso.datetime(), shop: z.string(), price: z.int().min(0), note: z.string() }),
      eventTime: 'at', eventId: 'id', topic: 'orders', history: { path: 'data/*.csv', until: '2030-01-01T00:00:00Z' },
    });
    export const sales = featureView('sales', {
      entity: shop,
      source: orders,
      where: (e) => e.price >= threshold,
      key: (e) => ({ shop: e.shop }),
      features: (f) => ({
        n_1d: f.count().over('1d'),
        fees_7d: f.sum((e) => fee(e.price)).over('7d'),
        late_1d: f.avg((e) => late(e.note)).over('1d'),
        price_1d: f.max('price').over('1d'),
        last_note: f.last('note'),
      }),
    });
  `,
  'fees.ts': `
    import { rate } from './rate.ts';
    export const threshold = 3;
    export const fee = (price: number): number => price * rate;
  `,
  'rate.ts': `export const rate = 2;`,
  'late.ts': `export function late(note: string): number { return note.length > 3 ? 1 : 0; }`,
};

export type Edit = readonly [file: keyof typeof files, from: string, to: string];

/** A small project with some of its text replaced: its view, as it was defined and as it was compiled. */
export async function taggedView(
  ...edits: readonly Edit[]
): Promise<{ readonly definition: FeatureView; readonly compiled: CompiledView }> {
  const edited: Record<string, string> = { ...files };
  for (const [file, from, to] of edits) {
    expect(edited[file]).toContain(from);
    edited[file] = (edited[file] as string).replace(from, to);
  }
  const loaded = await importDefinitions(writeProject(edited));
  const { views } = await compileDefinitions(loaded);
  const compiled = views.get('sales');
  const definition = loaded.definitions.find(({ value }) => value.name === 'sales')?.value;
  if (compiled === undefined || definition?.kind !== 'feature-view') throw new Error('the project has no view "sales"');
  return { definition, compiled };
}
