import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { z } from 'zod';
import { decimal } from '../../engine/contract/decimal.ts';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import type { Definitions } from '../../engine/define/compiled-view.ts';
import { entity } from '../../engine/define/entity.ts';
import { featureService } from '../../engine/define/feature-service.ts';
import { featureView } from '../../engine/define/feature-view.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { source } from '../../engine/define/source.ts';
import { tryFeatures } from '../../engine/insight/try-features.ts';
import type { TryOptions } from '../../engine/insight/try-options.ts';
import type { TryReport } from '../../engine/insight/try-report.ts';
import { trySubject } from '../../engine/insight/try-subject.ts';
import { systemClock } from '../../engine/values/clock.ts';

const folders: string[] = [];

afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

const shop = entity('shop', { shop: z.string() });
const day = entity('shop_day', { shop: z.string(), day: z.iso.date() });
const schema = z.object({
  id: z.string(),
  at: z.iso.datetime(),
  shop: z.string(),
  day: z.iso.date(),
  amount: decimal(10, 2),
  items: z.int(),
  city: z.string().nullable(),
  paid: z.boolean(),
  email: z.string(),
});
const sales = source('sales', {
  schema,
  eventTime: 'at',
  eventId: 'id',
  history: { path: 'sales.jsonl', disjoint: true },
  topic: 'sales',
  sensitive: ['email'],
});
const streamed = source('streamed', { schema, eventTime: 'at', topic: 'streamed' });
const byShop = featureView('by_shop', {
  entity: shop,
  source: sales,
  where: (e) => e.items > 0,
  features: (f) => ({
    sales: f.count(),
    sales_1d: f.count().over('1d'),
    spent: f.sum('amount'),
    items_max: f.max('items'),
    last_city: f.last('city'),
    last_paid: f.last('paid'),
    last_day: f.last('day'),
    last_at: f.last('at'),
    last_email: f.last('email'),
    letters: f.sum((e) => e.email.length, { type: z.int() }),
    by_city: f.count().by('city'),
    items_or_9: f.max('items').over('1d').default(9),
  }),
});
const byDay = featureView('by_day', { entity: day, source: sales, features: (f) => ({ sales: f.count() }) });
const ofTopic = featureView('of_topic', { entity: shop, source: streamed, features: (f) => ({ sales: f.count() }) });

const open = source('open', { schema, eventTime: 'at', eventId: 'id', history: { path: 'sales.jsonl' } });
const derived = featureView('derived', {
  entity: shop,
  source: open,
  features: (f) => ({ sales: f.count(), cities: f.lastN('city', 3), spread: f.quantiles('items', [0, 1]) }),
  derived: (d) => ({
    is_odd: d.boolean((v) => v.sales % 2 === 1),
    hour: d.int((_, { at }) => Math.floor(at / 3.6e9) % 24),
    fails: d.number((v) => {
      if (v.sales === 3) throw new Error('three');
      return v.sales;
    }),
  }),
});

/** A record of the history. Each hour is one after the other. */
export function sale(number: number, more: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
  const at = new Date(Date.UTC(2026, 2, 1) + number * 3_600_000).toISOString();
  return {
    id: `s${number}`,
    at,
    shop: 'north',
    day: at.slice(0, 10),
    amount: '1.50',
    items: 1 + (number % 5),
    city: number % 3 === 0 ? null : `city ${number % 4}`,
    paid: number % 2 === 0,
    email: `${number}@example.org`,
    ...more,
  };
}

/** A folder of its own with a history, definitions over it, and how to try one of them. */
export async function trial(history: readonly Readonly<Record<string, unknown>>[]): Promise<{
  readonly folder: string;
  readonly definitions: Definitions;
  readonly spine: (rows: readonly Readonly<Record<string, unknown>>[]) => Promise<string>;
  readonly run: (name: string, more?: Partial<TryOptions>) => Promise<TryReport>;
}> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-insight-'));
  folders.push(folder);
  const lines = (rows: readonly object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  await writeFile(join(folder, 'sales.jsonl'), lines(history));
  const definitions = await compileDefinitions(
    definitionsInMemory(
      [
        shop,
        day,
        sales,
        streamed,
        byShop,
        byDay,
        ofTopic,
        open,
        derived,
        featureService('both', [byShop, byDay]),
        featureService('load', {
          views: [derived.as('seller', { shop: 'from' }), derived.as('buyer', { shop: 'to' })],
          request: z.object({ seats: z.int().min(1), note: z.string().optional() }),
          derived: [
            (d) => ({
              seats_a_sale: d.number(({ seller }, { request }) =>
                seller.sales === 0 ? null : request.seats / seller.sales,
              ),
              hour: d.int(({ buyer }) => buyer.hour),
              told: d.string((_, { request }) => request.note),
            }),
            (d) => ({ fails: d.number(({ load, buyer }) => (buyer.fails ?? 0) + (load.hour ?? 0)) }),
          ],
        }),
        featureService('secret', {
          views: [byShop],
          derived: (d) => ({ twice: d.int(({ by_shop }) => by_shop.sales * 2) }),
        }),
        featureService('deal', [byShop.as('seller', { shop: 'from' }), byShop.as('buyer', { shop: 'to' })]),
      ],
      folder,
    ),
  );
  return {
    folder,
    definitions,
    spine: async (rows) => {
      const path = join(folder, 'labels.jsonl');
      await writeFile(path, lines(rows));
      return path;
    },
    run: (name, more = {}) =>
      tryFeatures({
        ...trySubject(definitions, name),
        spillDir: join(folder, 'spill'),
        clock: systemClock,
        ...more,
      }),
  };
}
