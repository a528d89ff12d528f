import { decimal, entity, epoch, featureView, type KeyOf, type Micros, source, type ValuesOf } from 'millrace';
import { expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';

const events = source('events', {
  schema: z.object({
    id: z.int64(),
    at: z.iso.datetime(),
    city: z.string(),
    price: decimal(10, 2),
    count: z.int().nullable(),
    ratio: z.number().optional(),
    paid: z.boolean(),
    kind: z.enum(['a', 'b']),
    day: z.iso.date(),
    maybe_at: z.iso.datetime().nullable(),
    tags: z.array(z.string().nullable()),
    inner: z.object({ at: z.iso.datetime() }).nullish(),
    sent: epoch('ms'),
    seen: epoch('ns').nullable(),
    local: z.iso.datetime({ local: true }),
    small: z.float32(),
  }),
  eventTime: 'at',
  eventId: 'id',
  topic: 'events',
});
const city = entity('city', { city: z.string() });

test('a row has the types of its contract', () => {
  featureView('v', {
    entity: city,
    source: events,
    where: (e) => {
      expectTypeOf(e.at).toEqualTypeOf<Micros>();
      expectTypeOf(e.id).toEqualTypeOf<bigint>();
      expectTypeOf(e.price).toEqualTypeOf<string>();
      expectTypeOf(e.count).toEqualTypeOf<number | null>();
      expectTypeOf(e.ratio).toEqualTypeOf<number | null>();
      expectTypeOf(e.kind).toEqualTypeOf<'a' | 'b'>();
      expectTypeOf(e.maybe_at).toEqualTypeOf<Micros | null>();
      expectTypeOf(e.tags).toEqualTypeOf<readonly (string | null)[]>();
      expectTypeOf(e.sent).toEqualTypeOf<Micros>();
      expectTypeOf(e.seen).toEqualTypeOf<Micros | null>();
      expectTypeOf(e.local).toEqualTypeOf<Micros>();
      expectTypeOf(e.small).toEqualTypeOf<number>();
      expectTypeOf(e.inner).toEqualTypeOf<{ readonly at: Micros } | null>();
      // @ts-expect-error no such field
      void e.nope;
      // @ts-expect-error rows are read-only
      e.city = 'x';
      return e.paid;
    },
    features: (f) => ({ n: f.count() }),
  });
});

test('features carry the types of their values', () => {
  const view = featureView('v', {
    entity: city,
    source: events,
    features: (f) => ({
      n: f.count().over('1d'),
      n_ratio: f.count('ratio'),
      sum_price: f.sum('price').over('7d', { hop: '6h' }),
      sum_id: f.sum('id'),
      sum_count: f.sum('count'),
      avg_price: f.avg('price'),
      max_at: f.max('at'),
      max_sent: f.max('sent'),
      sum_small: f.sum('small'),
      last_kind: f.last('kind').over('500ms', { hop: '100ms' }),
      min_paid: f.min('paid'),
      by_function: f.avg((e) => (e.paid ? 1 : null)),
      typed: f.last((e) => e.city, { type: z.string() }),
      typed_sum: f.sum((e) => e.id * 2n, { type: z.int64() }),
      of_paid: f
        .sum('price')
        .where((e) => e.paid)
        .over('7d'),
      city_or: f.last('city').default('none').over('7d'),
      city_by_or: f.maxBy('city', 'price').over('7d').default('none'),
      // A sum may be in error, and is null then.
      price_or: f.sum('price').default('0.00'),
      count_or: f.count().default(1),
      week_before: f.sum('price').over('7d', { ago: '7d' }),
      count_of_paid: f
        .count()
        .over('7d')
        .where((e) => {
          expectTypeOf(e.kind).toEqualTypeOf<'a' | 'b'>();
          return e.paid;
        }),
      price_by_city: f.sum('price').over('7d').by('city'),
      count_by_kind: f.count().by('kind', { limit: 2 }).default({ a: 0 }),
      deviation_by_paid: f.stddev('price').by('paid').over('7d'),
      last_by_function: f.last('city').by((e) => e.city.slice(0, 1)),
      count_by_typed: f.count().by((e) => e.id, { type: z.int64(), limit: 5 }),
      variance: f.variance('price').over('7d'),
      deviation: f.stddev('id', { population: true }),
      deviation_by_function: f.stddev((e) => e.ratio),
      deviation_typed: f.stddev((e) => e.id, { type: z.int64(), population: true }),
      cheapest: f.minBy('city', 'price').over('7d'),
      kind_of_most: f.maxBy('kind', (e) => e.count),
      number_at: f.maxBy((e) => (e.paid ? 1 : null), 'at'),
      typed_by: f.minBy((e) => e.city, 'at', { type: z.string() }),
      by_typed: f.minBy('maybe_at', (e) => e.city, { byType: z.string() }),
      both_typed: f.minBy(
        (e) => e.id,
        (e) => e.city,
        { type: z.int64(), byType: z.string() },
      ),
    }),
  });
  expectTypeOf<ValuesOf<typeof view>>().toEqualTypeOf<{
    readonly n: number;
    readonly n_ratio: number;
    readonly sum_price: string | null;
    readonly sum_id: bigint | null;
    readonly sum_count: number | null;
    readonly avg_price: number | null;
    readonly max_at: Micros | null;
    readonly max_sent: Micros | null;
    readonly sum_small: number | null;
    readonly last_kind: 'a' | 'b' | null;
    readonly min_paid: boolean | null;
    readonly by_function: number | null;
    readonly typed: string | null;
    readonly typed_sum: bigint | null;
    readonly of_paid: string | null;
    readonly city_or: string;
    readonly city_by_or: string;
    readonly price_or: string | null;
    readonly count_or: number;
    readonly week_before: string | null;
    readonly count_of_paid: number;
    readonly price_by_city: Readonly<Record<string, string>> | null;
    readonly count_by_kind: { readonly a?: number; readonly b?: number } | null;
    readonly deviation_by_paid: Readonly<Record<string, number | null>> | null;
    readonly last_by_function: Readonly<Record<string, string>> | null;
    readonly count_by_typed: Readonly<Record<string, number>> | null;
    readonly variance: number | null;
    readonly deviation: number | null;
    readonly deviation_by_function: number | null;
    readonly deviation_typed: number | null;
    readonly cheapest: string | null;
    readonly kind_of_most: 'a' | 'b' | null;
    readonly number_at: number | null;
    readonly typed_by: string | null;
    readonly by_typed: Micros | null;
    readonly both_typed: bigint | null;
  }>();
  expectTypeOf<KeyOf<typeof view>>().toEqualTypeOf<{ readonly city: string }>();
});

test('wrong fields, wrong value types and wrong windows do not compile', () => {
  const view = featureView('v', {
    entity: city,
    source: events,
    features: (f) => ({
      // @ts-expect-error no such field
      a: f.sum('nope'),
      // @ts-expect-error a sum over text
      b: f.sum('city'),
      // @ts-expect-error a sum over a boolean
      c: f.sum('paid'),
      // @ts-expect-error a sum over a time
      d: f.avg('at'),
      // @ts-expect-error a sum over an epoch
      d2: f.sum('sent'),
      // @ts-expect-error a list is no scalar
      e: f.last('tags'),
      // @ts-expect-error the function gives text, and no type says so
      g: f.sum((e) => e.city),
      // @ts-expect-error the function gives text where its type says int
      h: f.last((e) => e.city, { type: z.int() }),
      // @ts-expect-error a sum over text by function
      i: f.sum((e) => e.city, { type: z.string() }),
      // @ts-expect-error undefined is no value
      j: f.sum((e) => (e.paid ? 1 : undefined)),
      // @ts-expect-error not a duration
      k: f.count().over('7 days'),
      // @ts-expect-error not a duration
      l: f.count().over('7d', { hop: 'x' }),
      // @ts-expect-error sum needs an input
      m: f.sum(),
      // @ts-expect-error no such field in a function
      n: f.sum((e) => e.nope),
      // @ts-expect-error a condition is true or false
      x: f.count().where((e) => e.count),
      // @ts-expect-error no such field in a condition
      y: f.count().where((e) => e.nope),
      z: f
        .count()
        .where((e) => e.paid)
        // @ts-expect-error one condition a feature
        .where((e) => e.paid),
      // @ts-expect-error a default of another type
      ad: f.last('city').default(0),
      // @ts-expect-error null is what it is without
      ae: f.last('city').default(null),
      // @ts-expect-error none of the enum's values
      af: f.last('kind').default('c'),
      // @ts-expect-error one default a feature
      ag: f.last('city').default('a').default('b'),
      // @ts-expect-error no unit
      ab: f.count().over('7d', { ago: '7' }),
      // @ts-expect-error `ago` is told with the window
      ac: f.count().over({ ago: '7d' }),
      // @ts-expect-error one window a feature
      aa: f.count().over('1d').over('2d'),
      // @ts-expect-error a double is no category
      ca: f.count().by('ratio'),
      // @ts-expect-error no such field
      cb: f.count().by('nope'),
      // @ts-expect-error one division a feature
      cc: f.count().by('city').by('kind'),
      // @ts-expect-error a category by function is text, or what its type says
      cd: f.count().by((e) => e.ratio),
      // @ts-expect-error a double is no category by function either
      ce: f.count().by((e) => e.ratio, { type: z.number() }),
      // @ts-expect-error a default of a map is a map
      cf: f.count().by('city').default(0),
      // @ts-expect-error a default before it is of another type
      cg: f.count().default(0).by('city'),
      // @ts-expect-error a deviation of text
      u: f.stddev('city'),
      // @ts-expect-error a variance of a time by function
      v: f.variance((e) => e.at, { type: z.iso.datetime() }),
      // @ts-expect-error sums have no population
      w: f.sum('price', { population: true }),
      // @ts-expect-error minBy needs a y
      o: f.minBy('city'),
      // @ts-expect-error no such field to order by
      p: f.minBy('city', 'nope'),
      // @ts-expect-error a list orders nothing
      q: f.maxBy('city', 'tags'),
      // @ts-expect-error the y is text, and no type says so
      r: f.maxBy('city', (e) => e.kind),
      // @ts-expect-error the y is text where its type says int
      s: f.maxBy('city', (e) => e.kind, { byType: z.int() }),
      // @ts-expect-error a field has a type already
      t: f.maxBy('city', 'price', { type: z.string() }),
    }),
  });
  expect(view.name).toBe('v');
});

test('sources and entities are held to their fields', () => {
  const schema = z.object({
    at: z.iso.datetime(),
    maybe: z.iso.datetime().nullable(),
    id: z.string(),
    ok: z.boolean(),
    on: z.string().nullable(),
    day: z.iso.date(),
    ts: epoch('s'),
  });
  source('s', { schema, eventTime: 'at', eventId: 'id' });
  source('s', { schema, eventTime: 'ts', finerThanMicros: 'truncate' });
  source('s', { schema, eventTime: 'day', eventTimeAt: 'end' });
  // @ts-expect-error neither of its midnights
  source('s', { schema, eventTime: 'day', eventTimeAt: 'noon' });
  // @ts-expect-error there is no such unit
  void (() => epoch('m'));
  // @ts-expect-error no such field
  source('s', { schema, eventTime: 'nope' });
  // @ts-expect-error text is no time
  source('s', { schema, eventTime: 'id' });
  // @ts-expect-error an event time is never null
  source('s', { schema, eventTime: 'maybe' });
  // @ts-expect-error a boolean names no event
  source('s', { schema, eventTime: 'at', eventId: 'ok' });
  // @ts-expect-error an event id is never null
  source('s', { schema, eventTime: 'at', eventId: 'on' });
  // @ts-expect-error not a duration
  source('s', { schema, eventTime: 'at', maxAhead: 'soon' });
  expect(schema.def.type).toBe('object');
});

test('a join key that is no field of the same type needs a key function', () => {
  const features = (f: { count(): ReturnType<typeof counted> }) => ({ n: f.count() });
  const region = entity('region', { region: z.string() });
  const numbered = entity('numbered', { city: z.int() });
  const priced = entity('priced', { price: z.string() });
  const pair = entity('pair', { city: z.string(), day: z.iso.date() });
  const kinds = entity('kinds', { kind: z.string() });
  // @ts-expect-error no field "region", and no key function
  featureView('v', { entity: region, source: events, features });
  // @ts-expect-error field "city" is text
  featureView('v', { entity: numbered, source: events, features });
  // @ts-expect-error a decimal is not a string key
  featureView('v', { entity: priced, source: events, features });
  featureView('v', { entity: pair, source: events, features });
  featureView('v', { entity: kinds, source: events, features });
  featureView('v', { entity: region, source: events, key: (e) => ({ region: e.city.slice(0, 2) }), features });
  featureView('v', { entity: region, source: events, key: (e) => ({ region: e.paid ? e.city : null }), features });
  // @ts-expect-error the key function forgets a key
  featureView('v', { entity: pair, source: events, key: (e) => ({ city: e.city }), features });
  // @ts-expect-error the key function gives the wrong type
  featureView('v', { entity: region, source: events, key: (e) => ({ region: e.id }), features });
  // @ts-expect-error where gives a boolean
  featureView('v', { entity: city, source: events, where: (e) => e.count, features });
  // @ts-expect-error not a duration
  featureView('v', { entity: city, source: events, refresh: 'daily', features });
  featureView('v', { entity: city, source: events, expire: '180d', features });
  // @ts-expect-error no duration
  featureView('v', { entity: city, source: events, expire: 180, features });
  expect(pair.name).toBe('pair');
});

declare function counted(): import('millrace').Feature<number>;
