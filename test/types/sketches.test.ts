import { expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import { decimal, entity, featureView, source, type ValuesOf } from '../../index.ts';

const city = entity('city', { city: z.string() });
const events = source('events', {
  schema: z.object({
    at: z.iso.datetime(),
    city: z.string(),
    price: decimal(10, 2),
    id: z.int64(),
    ratio: z.number().nullable(),
  }),
  eventTime: 'at',
  topic: 'events',
});

test('quantiles are a list of numbers, a median is a number; either may be in error; a count is never null', () => {
  const view = featureView('v', {
    entity: city,
    source: events,
    features: (f) => ({
      quantiles: f.quantiles('price', [0.5, 0.99]).over('7d'),
      quantiles_or: f.quantiles('id', [0.5], { accuracy: 0.1 }).default([0]),
      quantiles_by_function: f.quantiles((e) => e.ratio, [0.5]),
      quantiles_typed: f.quantiles((e) => e.id, [0, 1], { type: z.int64() }),
      median: f.median('price', { accuracy: 0.005 }),
      median_by_function: f.median((e) => e.ratio).over('7d'),
      median_typed: f.median((e) => e.id, { type: z.int64(), accuracy: 0.005 }),
      distinct: f.approxDistinct('city').over('7d'),
      distinct_by_function: f.approxDistinct((e) => e.ratio, { error: 0.01 }),
      distinct_typed: f.approxDistinct((e) => e.city, { type: z.string(), error: 0.01 }),
      by_city: f.median('price').by('city'),
    }),
  });
  expectTypeOf<ValuesOf<typeof view>>().toEqualTypeOf<{
    readonly quantiles: readonly number[] | null;
    readonly quantiles_or: readonly number[] | null;
    readonly quantiles_by_function: readonly number[] | null;
    readonly quantiles_typed: readonly number[] | null;
    readonly median: number | null;
    readonly median_by_function: number | null;
    readonly median_typed: number | null;
    readonly distinct: number;
    readonly distinct_by_function: number;
    readonly distinct_typed: number;
    readonly by_city: Readonly<Record<string, number>> | null;
  }>();
});

test('wrong inputs, lists, accuracies and defaults do not compile', () => {
  const view = featureView('v', {
    entity: city,
    source: events,
    features: (f) => ({
      // @ts-expect-error a quantile of text
      qa: f.quantiles('city', [0.5]),
      // @ts-expect-error which quantiles is told
      qb: f.quantiles('price'),
      // @ts-expect-error no quantile
      qc: f.quantiles('price', []),
      // @ts-expect-error a quantile is a number
      qd: f.quantiles('price', ['p99']),
      // @ts-expect-error an accuracy is a number
      qe: f.quantiles('price', [0.5], { accuracy: '1%' }),
      // @ts-expect-error a median has no list
      qf: f.median('price', [0.5]),
      // @ts-expect-error a median of a time
      qg: f.median('at'),
      // @ts-expect-error a median of text by function
      qh: f.median((e) => e.city, { type: z.string() }),
      // @ts-expect-error a default of another type
      qi: f.quantiles('price', [0.5]).default(0),
      // @ts-expect-error what is counted is told
      da: f.approxDistinct(),
      // @ts-expect-error an error is a number
      db: f.approxDistinct('city', { error: '2%' }),
      // @ts-expect-error a count has no accuracy
      dc: f.approxDistinct('city', { accuracy: 0.01 }),
      // @ts-expect-error the function gives text, and no type says so
      dd: f.approxDistinct((e) => e.city),
    }),
  });
  expect(view.name).toBe('v');
});
