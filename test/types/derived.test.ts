import { decimal, entity, type FeatureClient, featureView, type Micros, source, type ValuesOf } from 'millrace';
import { expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';

const events = source('events', {
  schema: z.object({
    id: z.string(),
    at: z.iso.datetime(),
    city: z.string(),
    price: decimal(10, 2),
    big: z.int64(),
    paid: z.boolean(),
  }),
  eventTime: 'at',
  topic: 'events',
});
const city = entity('city', { city: z.string() });
const base = { entity: city, source: events } as const;

const trends = featureView('trends', {
  ...base,
  features: (f) => ({
    n: f.count().over('1d'),
    avg: f.avg('price').over('7d'),
    last_at: f.last('at'),
    paid: f.last('paid').default(false),
    big: f.sum('big'),
  }),
  derived: [
    (d) => ({
      share: d.number((v, { at }) => {
        expectTypeOf(v.n).toEqualTypeOf<number>();
        expectTypeOf(v.avg).toEqualTypeOf<number | null>();
        expectTypeOf(v.last_at).toEqualTypeOf<Micros | null>();
        expectTypeOf(v.paid).toEqualTypeOf<boolean>();
        expectTypeOf(v.big).toEqualTypeOf<bigint | null>();
        expectTypeOf(at).toEqualTypeOf<Micros>();
        return v.n;
      }),
      since: d.timestamp((v) => v.last_at),
    }),
    (d) => ({
      words: d.list(z.string(), (v) => {
        expectTypeOf(v.share).toEqualTypeOf<number | null>();
        expectTypeOf(v.since).toEqualTypeOf<Micros | null>();
        return ['a'];
      }),
      numbers: d.list(z.int64(), () => [1n]),
    }),
    (d) => ({
      first: d.string((v) => {
        expectTypeOf(v.words).toEqualTypeOf<readonly string[] | null>();
        expectTypeOf(v.numbers).toEqualTypeOf<readonly bigint[] | null>();
        return v.words?.[0] ?? null;
      }),
    }),
    (d) => ({ has: d.boolean((v) => v.first !== null), whole: d.int((v) => v.n) }),
  ],
});

test('reading a view gives its derived features, each of its kind or null', () => {
  expectTypeOf<ValuesOf<typeof trends>>().branded.toEqualTypeOf<{
    readonly n: number;
    readonly avg: number | null;
    readonly last_at: Micros | null;
    readonly paid: boolean;
    readonly big: bigint | null;
    readonly share: number | null;
    readonly since: Micros | null;
    readonly words: readonly string[] | null;
    readonly numbers: readonly bigint[] | null;
    readonly first: string | null;
    readonly has: boolean | null;
    readonly whole: number | null;
  }>();
  expect(trends.derived).toHaveLength(4);
  const read = async (client: FeatureClient) => {
    const { values } = await client.get(trends, { city: 'x' });
    expectTypeOf(values.share).toEqualTypeOf<number | null>();
    const { values: some } = await client.get(trends, { city: 'x' }, { features: ['share'] });
    expectTypeOf<keyof typeof some>().toEqualTypeOf<'share'>();
    // @ts-expect-error a name that is none
    return values.shares;
  };
  expect(read).toBeDefined();
});

test('what is misspelt, of another kind or comes later is a compile error', () => {
  expect(trends.kind).toBe('feature-view');
  featureView('v', {
    ...base,
    features: (f) => ({ n: f.count(), avg: f.avg('price') }),
    derived: (d) => ({
      // @ts-expect-error a misspelt feature
      a: d.int((v) => v.m),
      // @ts-expect-error a text for a number
      b: d.int((v) => `${v.n}`),
      // @ts-expect-error a number for a text
      c: d.string((v) => v.n),
      // @ts-expect-error nothing at all
      d: d.int(() => undefined),
      // @ts-expect-error a value that may be null where none is taken
      e: d.int((v) => v.avg + 1),
      // @ts-expect-error a list with a null in it
      f: d.list(z.int(), () => [null]),
      // @ts-expect-error what is seen cannot be changed
      g: d.int((v) => (v.n = 5)),
      // @ts-expect-error the time of the read is all there is
      h: d.int((_, { now }) => now),
      // @ts-expect-error no such kind
      i: d.map(() => ({})),
    }),
  });
  featureView('v', {
    ...base,
    features: (f) => ({ n: f.count() }),
    // @ts-expect-error of the same block
    derived: (d) => ({ x: d.int(() => 1), y: d.int((v) => v.x) }),
  });
  featureView('v', {
    ...base,
    features: (f) => ({ n: f.count() }),
    // @ts-expect-error of a later block
    derived: [(d) => ({ y: d.int((v) => v.x) }), (d) => ({ x: d.int(() => 1) })],
  });
});
