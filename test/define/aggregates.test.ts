import { expect, test } from 'vitest';
import { z } from 'zod';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { featureView, type Micros } from '../../index.ts';
import { briefly, faultsOf } from './faults.ts';
import { orders, shop } from './shop-orders.ts';

test('a slot of minBy and maxBy has what it orders by; both inputs decide what is shared', async () => {
  const length = (e: { readonly tags: readonly string[] }): number => e.tags.length;
  const view = featureView('shop_orders', {
    entity: shop,
    source: orders,
    features: (f) => ({
      cheapest_1d: f.minBy('kind', 'price').over('1d'),
      cheapest_2d: f.minBy('kind', 'price').over('2d'),
      dearest_1d: f.maxBy('kind', 'price').over('1d'),
      of_most_units: f.maxBy('kind', 'units').over('1d'),
      day_of_most_tags: f.maxBy('day', length, { byType: z.int() }).over('1d'),
      count: f.count().over('1d'),
    }),
  });
  const { views } = await compileDefinitions(definitionsInMemory([view], '/srv/models'));
  const { layout } = views.get('shop_orders')!;
  const kind = { kind: 'enum', values: ['a', 'b'] };
  const price = { kind: 'decimal', precision: 10, scale: 2 };
  expect(layout.slots).toEqual([
    { partial: 'minBy', input: kind, order: price, group: 0 },
    { partial: 'maxBy', input: kind, order: price, group: 0 },
    { partial: 'maxBy', input: kind, order: { kind: 'int' }, group: 0 },
    { partial: 'maxBy', input: { kind: 'date' }, order: { kind: 'int' }, group: 0 },
    { partial: 'count', input: null, group: 0 },
  ]);
  expect(layout.features.map(({ slot, result }) => [slot, result.kind])).toEqual([
    [0, 'enum'],
    [0, 'enum'],
    [1, 'enum'],
    [2, 'enum'],
    [3, 'date'],
    [4, 'int'],
  ]);
  expect(JSON.parse(JSON.stringify(layout))).toEqual(layout);
});

test('what minBy and maxBy order by is judged as an input is', async () => {
  const view = featureView('shop_orders', {
    entity: shop,
    source: orders,
    features: (f) => ({
      a: f.minBy('kind', 'nope' as 'price'),
      b: f.minBy('kind', 'tags' as 'price'),
      c: f.maxBy('kind', undefined as never),
      d: f.maxBy('kind', () => Date.now()),
      e: f.maxBy('kind', (e) => e.tags.length, { byType: z.int().min(1) }),
    }),
  });
  expect(briefly(await faultsOf([view]))).toEqual([
    'feature view shop_orders features.a.order: unknown-field',
    'feature view shop_orders features.b.order: wrong-input-type',
    'feature view shop_orders features.c.order: no-input',
    'feature view shop_orders features.e.order: unsupported-type',
    'feature view shop_orders features.d.order: impure-function',
  ]);
});

test('variance and stddev share their moments, with the sum and avg of the same input and hop', async () => {
  const view = featureView('shop_orders', {
    entity: shop,
    source: orders,
    features: (f) => ({
      mean_1d: f.avg('weight').over('1d'),
      variance_1d: f.variance('weight').over('1d'),
      deviation_2d: f.stddev('weight', { population: true }).over('2d'),
      total: f.sum('weight'),
      price_mean_1d: f.avg('price').over('1d'),
    }),
  });
  const { views } = await compileDefinitions(definitionsInMemory([view], '/srv/models'));
  const { layout } = views.get('shop_orders')!;
  const price = { kind: 'decimal', precision: 10, scale: 2 };
  expect(layout.slots).toEqual([
    { partial: 'moments', input: { kind: 'double' }, group: 0 },
    { partial: 'sum', input: price, group: 0 },
    { partial: 'sum', input: { kind: 'double' }, group: 1 },
  ]);
  expect(layout.features.map(({ name, slot, result, population }) => [name, slot, result.kind, population])).toEqual([
    ['mean_1d', 0, 'double', undefined],
    ['variance_1d', 0, 'double', undefined],
    ['deviation_2d', 0, 'double', true],
    ['total', 2, 'double', undefined],
    ['price_mean_1d', 1, 'double', undefined],
  ]);
});

test('a variance takes numbers', async () => {
  const view = featureView('shop_orders', {
    entity: shop,
    source: orders,
    features: (f) => ({
      a: f.variance('kind' as 'units'),
      b: f.stddev((e) => e.day as never, { type: z.iso.date() as never }),
    }),
  });
  expect(briefly(await faultsOf([view]))).toEqual([
    'feature view shop_orders features.a: wrong-input-type',
    'feature view shop_orders features.b: wrong-input-type',
  ]);
});

test('a feature with a condition has a slot of its own, shared with those of the same condition', async () => {
  const isHeavy = (e: { readonly weight: number | null }): boolean => (e.weight ?? 0) > 10;
  const view = featureView('shop_orders', {
    entity: shop,
    source: orders,
    features: (f) => ({
      n_1d: f.count().over('1d'),
      heavy_1d: f.count().over('1d').where(isHeavy),
      heavy_2d: f.count().where(isHeavy).over('2d'),
      units_1d: f.sum('units').over('1d'),
      heavy_units_1d: f.sum('units').where(isHeavy).over('1d'),
      heavy_deviation_1d: f.stddev('units').where(isHeavy).over('1d'),
    }),
  });
  const { views } = await compileDefinitions(definitionsInMemory([view], '/srv/models'));
  const { layout, featureInputs } = views.get('shop_orders')!;
  expect(layout.slots).toEqual([
    { partial: 'count', input: null, group: 0 },
    { partial: 'count', input: null, conditional: true, group: 0 },
    { partial: 'sum', input: { kind: 'int' }, group: 0 },
    { partial: 'moments', input: { kind: 'int' }, conditional: true, group: 0 },
  ]);
  expect(layout.features.map(({ slot, nullable }) => [slot, nullable])).toEqual([
    [0, false],
    [1, false],
    [1, false],
    [2, true],
    [3, true],
    [3, true],
  ]);
  expect(featureInputs?.[4]).toEqual({
    value: 'units',
    order: null,
    category: null,
    condition: '(e) => (e.weight ?? 0) > 10',
  });
});

test('what a modifier says is judged: given twice, no function, impure, failing; an input may rely on its condition', async () => {
  const view = featureView('shop_orders', {
    entity: shop,
    source: orders,
    features: (f) => ({
      a: (
        f
          .count()
          .over('1d')
          .where(() => true) as never as ReturnType<typeof f.count>
      ).over('2d'),
      b: f.count().where('kind' as never),
      c: f.count().where(() => Math.random() > 0.5),
      d: f.count().where((e) => (e.units as never as { x: { y: boolean } }).x.y),
      e: f.sum((e) => (e.weight as never as { toFixed(): string }).toFixed().length).where((e) => e.weight !== null),
      f: f.sum((e) => (e.weight as never as { toFixed(): string }).toFixed().length),
      g: f.count().where((e) => e.units as never),
    }),
  });
  expect(briefly(await faultsOf([view])).toSorted()).toEqual([
    'feature view shop_orders features.a.over: repeated-modifier',
    'feature view shop_orders features.b.where: no-function',
    'feature view shop_orders features.c.where: impure-function',
    'feature view shop_orders features.d.where: failing-function',
    'feature view shop_orders features.f: failing-function',
    'feature view shop_orders features.g.where: failing-function',
  ]);
});

test('a window of the past has the slot of the present one; what is kept reaches back to where it begins', async () => {
  const view = featureView('shop_orders', {
    entity: shop,
    source: orders,
    features: (f) => ({
      n_7d: f.count().over('7d'),
      n_7d_before: f.count().over('7d', { ago: '7d' }),
      units_1d_before: f.sum('units').over('1d', { hop: '1h', ago: '90m' }),
      units_year_before: f.max('units').over('28d', { ago: '52w' }),
    }),
  });
  const { views } = await compileDefinitions(definitionsInMemory([view], '/srv/models'));
  const { layout } = views.get('shop_orders')!;
  const [hour, day] = [3_600_000_000, 86_400_000_000];
  expect(layout.groups).toEqual([
    { hopUs: hour, spanUs: 14 * day },
    { hopUs: day, spanUs: (28 + 364) * day },
  ]);
  expect(layout.slots).toHaveLength(3);
  expect(layout.features.map(({ slot, windowUs, agoUs }) => [slot, windowUs, agoUs])).toEqual([
    [0, 7 * day, undefined],
    [0, 7 * day, 7 * day],
    [1, day, 1.5 * hour],
    [2, 28 * day, 364 * day],
  ]);
  // Stored layouts, and with them fingerprints and tags, are what they were.
  expect(layout.features[0]).not.toHaveProperty('agoUs');
});

test('how long ago a window was is judged', async () => {
  const view = featureView('shop_orders', {
    entity: shop,
    source: orders,
    features: (f) => ({
      negative: f.count().over('7d', { ago: '-7d' }),
      none: f.count().over('7d', { ago: '0d' }),
      word: f.count().over('7d', { ago: 'soon' as never }),
      alone: f.count().over(undefined as never, { ago: '7d' }),
      nothing: f.count().over(undefined as never),
      tiles: f.count().over('7d', { ago: '20000h' }),
      time: f.count().over('100000d', { hop: '9999d', ago: '10000w' }),
      fine: f.count().over('7d', { ago: '19831h' }),
    }),
  });
  const faults = await faultsOf([view]);
  expect(briefly(faults).toSorted()).toEqual([
    'feature view shop_orders features.alone.over: no-window',
    'feature view shop_orders features.negative.ago: invalid-duration',
    'feature view shop_orders features.none.ago: invalid-duration',
    'feature view shop_orders features.nothing.over: no-window',
    'feature view shop_orders features.tiles.over: too-many-tiles',
    'feature view shop_orders features.time.ago: invalid-duration',
    'feature view shop_orders features.word.ago: invalid-duration',
  ]);
});

test('a default stands in the layout as JSON has it, and changes no slot', async () => {
  const view = featureView('shop_orders', {
    entity: shop,
    source: orders,
    features: (f) => ({
      price: f.last('price'),
      price_or: f.last('price').default('1.5'),
      id_or: f.max('id').default(-9007199254740993n),
      at_or: f.last('at').default(1_500_000 as Micros),
      weight_or: f.avg('weight').default(-0),
      n: f.count().default(7),
    }),
  });
  const { views } = await compileDefinitions(definitionsInMemory([view], '/srv/models'));
  const { layout } = views.get('shop_orders')!;
  expect(layout.slots).toHaveLength(5);
  expect(layout.features[0]).not.toHaveProperty('default');
  expect(layout.features.map(({ default: fill, nullable }) => [fill, nullable])).toEqual([
    [undefined, true],
    ['1.50', false],
    ['-9007199254740993', false],
    ['1970-01-01T00:00:01.500000Z', false],
    [0, true],
    [7, false],
  ]);
});

test('a default of another type than its feature is refused, each with what was expected', async () => {
  const view = featureView('shop_orders', {
    entity: shop,
    source: orders,
    features: (f) => ({
      none: f.last('price').default(undefined as never),
      nothing: f.last('price').default(null as never),
      scale: f.last('price').default('1.005'),
      number: f.sum('price').default(0 as never),
      id: f.last('id').default(2n ** 63n),
      half: f.sum('units').default(0.5),
      infinite: f.avg('units').default(Number.POSITIVE_INFINITY),
      day: f.last('day').default('2026-02-30'),
      kind: f.last('kind').default('c' as never),
      text: f.first('shop').default('a\0b'),
      surrogate: f.first('shop').default('\uD800'),
      // The first one hides nothing: both are judged.
      twice: (f.last('shop').default('a') as never as ReturnType<typeof f.last>).default('b'),
    }),
  });
  const faults = await faultsOf([view]);
  expect(briefly(faults).toSorted()).toEqual([
    ...['day', 'half', 'id', 'infinite', 'kind', 'none', 'nothing', 'number', 'scale', 'surrogate', 'text'].map(
      (name) => `feature view shop_orders features.${name}.default: wrong-default`,
    ),
    'feature view shop_orders features.twice.default: repeated-modifier',
  ]);
  expect(faults.find(({ path }) => path === 'features.id.default')?.message).toMatch(
    /^expected a 64-bit integer, received 9223372036854775808n/,
  );
});

test('a divided feature has a slot by its categories and their limit, shared with those of the same; counts of none are null', async () => {
  const initial = (e: { readonly shop: string }): string => e.shop.normalize();
  const view = featureView('shop_orders', {
    entity: shop,
    source: orders,
    features: (f) => ({
      by_kind_1d: f.count().by('kind').over('1d'),
      by_kind_2d: f.count().over('2d').by('kind').default({}),
      few_by_kind: f.count().by('kind', { limit: 2 }).over('1d'),
      price_by_initial: f.sum('price').by(initial).over('1d'),
      deviation_by_initial: f.stddev('price').by(initial).over('1d'),
      by_day: f.last('kind').by('day').over('1d'),
      orders: f.count().over('1d'),
    }),
  });
  const { views } = await compileDefinitions(definitionsInMemory([view], '/srv/models'));
  const { layout } = views.get('shop_orders')!;
  const kind = { kind: 'enum', values: ['a', 'b'] };
  const price = { kind: 'decimal', precision: 10, scale: 2 };
  const text = { kind: 'string' };
  expect(layout.slots).toEqual([
    { partial: 'count', input: null, by: { type: kind, limit: 1000 }, group: 0 },
    { partial: 'count', input: null, by: { type: kind, limit: 2 }, group: 0 },
    { partial: 'moments', input: price, by: { type: text, limit: 1000 }, group: 0 },
    { partial: 'last', input: kind, by: { type: { kind: 'date' }, limit: 1000 }, group: 0 },
    { partial: 'count', input: null, group: 0 },
  ]);
  expect(layout.features.map(({ slot, nullable }) => [slot, nullable])).toEqual([
    [0, true],
    [0, true],
    [1, true],
    [2, true],
    [2, true],
    [3, true],
    [4, false],
  ]);
  expect(layout.features[1]).toMatchObject({
    result: { kind: 'map', key: kind, value: { kind: 'int' } },
    default: {},
  });
});

test('what a feature is divided by is judged', async () => {
  const view = featureView('shop_orders', {
    entity: shop,
    source: orders,
    features: (f) => ({
      a: f.count().by('weight' as 'kind'),
      b: f.count().by('nope' as 'kind'),
      c: f.count().by('kind', { limit: 0 }),
      d: f.count().by('kind', { limit: 1.5 }),
      e: f.count().by('tags' as 'kind'),
      f: f.count().by(() => String(Math.random())),
      g: f.count().by((e) => (e.units as never as { x: { y: string } }).x.y),
      h: f
        .count()
        .by('kind')
        .default({ c: 1 } as never),
      i: f.count().by(undefined as never),
      k: f.count().by('kind', { limit: 10_001 }),
      l: f.distinct('shop', { limit: 10_000 }).by('kind', { limit: 101 }),
      j: (f.count().by('kind') as never as ReturnType<typeof f.count>).by('day'),
    }),
  });
  expect(briefly(await faultsOf([view])).toSorted()).toEqual([
    'feature view shop_orders features.a.by: wrong-input-type',
    'feature view shop_orders features.b.by: unknown-field',
    'feature view shop_orders features.c.by.limit: wrong-limit',
    'feature view shop_orders features.d.by.limit: wrong-limit',
    'feature view shop_orders features.e.by: wrong-input-type',
    'feature view shop_orders features.f.by: impure-function',
    'feature view shop_orders features.g.by: failing-function',
    'feature view shop_orders features.h.default: wrong-default',
    'feature view shop_orders features.i.by: no-input',
    'feature view shop_orders features.j.by: repeated-modifier',
    'feature view shop_orders features.k.by.limit: wrong-limit',
    'feature view shop_orders features.l.by.limit: wrong-limit',
  ]);
});
