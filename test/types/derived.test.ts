import {
  decimal,
  entity,
  type FeatureClient,
  featureService,
  featureView,
  type Micros,
  type RequestOf,
  source,
  type ValuesOf,
} from 'millrace';
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

const model = featureService('model', {
  views: [trends, trends.as('other', { city: 'there' })],
  request: z.object({
    seats: z.int(),
    due: z.iso.datetime(),
    code: z.string().nullable(),
    note: z.string().optional(),
  }),
  derived: [
    (d) => ({
      load: d.number(({ trends: own, other }, { request, at }) => {
        expectTypeOf(own.share).toEqualTypeOf<number | null>();
        expectTypeOf(other.n).toEqualTypeOf<number>();
        expectTypeOf(request.seats).toEqualTypeOf<number>();
        expectTypeOf(request.due).toEqualTypeOf<Micros>();
        expectTypeOf(request.code).toEqualTypeOf<string | null>();
        expectTypeOf(request.note).toEqualTypeOf<string | null>();
        expectTypeOf(at).toEqualTypeOf<Micros>();
        return own.n * request.seats;
      }),
    }),
    (d) => ({ high: d.boolean(({ model: before }) => (before.load ?? 0) > 3) }),
  ],
});
const plain = featureService('plain', [trends]);
const lenient = featureService('lenient', { views: [trends], request: z.object({ note: z.string().optional() }) });

test('a service is read with its request, and gives what it derives under its name', () => {
  expectTypeOf<RequestOf<typeof model>>().branded.toEqualTypeOf<{
    readonly seats: number;
    readonly due: Micros;
    readonly code: string | null;
    readonly note?: string | null | undefined;
  }>();
  const read = async (client: FeatureClient) => {
    const request = { seats: 1, due: 0 as Micros, code: null };
    const answer = await client.getService(model, { city: 'a', there: 'b' }, { request });
    if (answer.model.errors === null) {
      expectTypeOf(answer.model.values.load).toEqualTypeOf<number | null>();
      expectTypeOf(answer.model.values.high).toEqualTypeOf<boolean | null>();
    }
    // @ts-expect-error no request
    await client.getService(model, { city: 'a', there: 'b' });
    // @ts-expect-error a value that is missing
    await client.getService(model, { city: 'a', there: 'b' }, { request: { due: 0 as Micros, code: null } });
    // @ts-expect-error one of another type
    await client.getService(model, { city: 'a', there: 'b' }, { request: { ...request, seats: '1' } });
    // @ts-expect-error one too many
    await client.getService(model, { city: 'a', there: 'b' }, { request: { ...request, chairs: 1 } });
    await client.getService(plain, { city: 'a' });
    // @ts-expect-error it asks for nothing
    await client.getService(plain, { city: 'a' }, { request: { seats: 1 } });
    await client.getService(lenient, { city: 'a' });
    await client.getService(lenient, { city: 'a' }, { request: { note: 'n' } });
    const one = await client.getService(plain, { city: 'a' });
    // @ts-expect-error it derives nothing
    return one.plain;
  };
  expect(read).toBeTypeOf('function');
});

test('what a service derives is held to its blocks and its request', () => {
  expect(model.derived).toHaveLength(2);
  featureService('m', {
    views: [trends],
    request: z.object({ seats: z.int() }),
    derived: (d) => ({
      // @ts-expect-error no such view
      a: d.int((v) => v.trend.n),
      // @ts-expect-error no such feature
      b: d.int(({ trends: own }) => own.m),
      // @ts-expect-error no such value of the request
      c: d.int((_, { request }) => request.chairs),
      // @ts-expect-error a text for a number
      e: d.int(() => 'a'),
      // @ts-expect-error its own block
      f: d.int((v) => v.m.a),
    }),
  });
});
