/** What lists and counts by value are to TypeScript. */
import { expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import { decimal } from '../../engine/contract/decimal.ts';
import { entity, featureView, type Micros, source, type ValuesOf } from '../../index.ts';

const city = entity('city', { city: z.string() });
const events = source('events', {
  schema: z.object({
    city: z.string(),
    at: z.iso.datetime(),
    maybe_at: z.iso.datetime().nullable(),
    price: decimal(10, 2),
    count: z.int().optional(),
    id: z.int64(),
    ratio: z.number().nullable(),
    paid: z.boolean(),
    kind: z.enum(['a', 'b']),
    tags: z.array(z.string()),
  }),
  eventTime: 'at',
  topic: 'events',
});

test('lists and counts have the types of their values', () => {
  const view = featureView('v', {
    entity: city,
    source: events,
    features: (f) => ({
      last_cities: f.lastN('city', 5).over('7d'),
      first_times: f.firstN('maybe_at', 5, { distinct: true }),
      last_ids: f.lastN((e) => e.id, 2, { type: z.int64() }).default([1n]),
      last_numbers: f.lastN((e) => (e.paid ? 1 : null), 2).default([]),
      distinct_cities: f.distinct('city', { limit: 10 }).over('7d'),
      distinct_or: f.distinct((e) => e.city, { type: z.string() }).default(0),
      top_kinds: f.topK('kind', 3).default(['a']),
      top_times: f.topK((e) => e.at, 3, { type: z.iso.datetime(), limit: 50 }),
      by_kind: f.histogram('kind').over('7d'),
      by_length: f.histogram((e) => e.city.length, { type: z.int() }).default({}),
    }),
  });
  expectTypeOf<ValuesOf<typeof view>>().toEqualTypeOf<{
    readonly last_cities: readonly string[] | null;
    readonly first_times: readonly Micros[] | null;
    readonly last_ids: readonly bigint[];
    readonly last_numbers: readonly number[];
    // Of more values than the limit they are null.
    readonly distinct_cities: number | null;
    readonly distinct_or: number | null;
    readonly top_kinds: readonly ('a' | 'b')[] | null;
    readonly top_times: readonly Micros[] | null;
    readonly by_kind: { readonly a?: number; readonly b?: number } | null;
    readonly by_length: Readonly<Record<string, number>> | null;
  }>();
  expect(view.name).toBe('v');
});

test('wrong lengths, limits, keys and defaults do not compile', () => {
  const view = featureView('v', {
    entity: city,
    source: events,
    features: (f) => ({
      // @ts-expect-error lists have a length
      a: f.lastN('city'),
      // @ts-expect-error the length is a number
      b: f.lastN('city', '5'),
      // @ts-expect-error a list of lists
      c: f.firstN('tags', 5),
      // @ts-expect-error the default of a list is a list
      d: f.firstN('city', 5).default('a'),
      // @ts-expect-error of its element's type
      e: f.firstN('city', 5).default([1]),
      // @ts-expect-error distinct or not
      f: f.firstN('city', 5, { distinct: 'yes' }),
      // @ts-expect-error a limit is a number
      g: f.distinct('city', { limit: '5' }),
      // @ts-expect-error how many
      h: f.topK('city'),
      // @ts-expect-error a double is the key of no map
      i: f.histogram('ratio'),
      // @ts-expect-error nor is a decimal
      j: f.histogram('price'),
      // @ts-expect-error nor is what a function gives that does not say its type
      k: f.histogram((e) => e.count),
      // @ts-expect-error nor is a time
      l: f.histogram((e) => e.at, { type: z.iso.datetime() }),
      // @ts-expect-error counts are numbers
      m: f.histogram('kind').default({ a: '1' }),
      // @ts-expect-error of values that the enum has
      n: f.histogram('kind').default({ c: 1 }),
    }),
  });
  expect(view.name).toBe('v');
});
