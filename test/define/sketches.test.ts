import { expect, test } from 'vitest';
import { z } from 'zod';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { featureView } from '../../index.ts';
import { briefly, faultsOf } from './faults.ts';
import { orders, shop } from './shop-orders.ts';

test('quantiles and medians of one input, width of buckets and hop share a slot', async () => {
  const view = featureView('shop_orders', {
    entity: shop,
    source: orders,
    features: (f) => ({
      ends_1d: f.quantiles('weight', [0.99, 0, 1e-7]).over('1d'),
      middle_2d: f.median('weight', { accuracy: 0.0079 }).over('2d'),
      middle_before: f.median('weight').over('1d', { ago: '1d' }),
      finer_1d: f.median('weight', { accuracy: 0.005 }).over('1d'),
      middle: f.median('weight'),
      prices_1d: f.quantiles('price', [0.5], { accuracy: 0.5 }).over('1d').default([0]),
      heavy_1d: f
        .median('weight')
        .where((e) => (e.weight ?? 0) > 10)
        .over('1d'),
      weight_1d: f.sum('weight').over('1d'),
    }),
  });
  const { views } = await compileDefinitions(definitionsInMemory([view], '/srv/models'));
  const { layout } = views.get('shop_orders')!;
  const [double, price] = [{ kind: 'double' }, { kind: 'decimal', precision: 10, scale: 2 }];
  expect(layout.slots).toEqual([
    { partial: 'quantiles', input: double, octaveBits: 6, group: 0 },
    { partial: 'quantiles', input: double, octaveBits: 7, group: 0 },
    { partial: 'quantiles', input: price, octaveBits: 0, group: 0 },
    { partial: 'quantiles', input: double, conditional: true, octaveBits: 6, group: 0 },
    { partial: 'sum', input: double, group: 0 },
    { partial: 'quantiles', input: double, octaveBits: 6, group: 1 },
  ]);
  expect(layout.slots[4]).not.toHaveProperty('octaveBits');
  const list = { kind: 'list', item: double };
  expect(layout.features.map(({ slot, result, quantiles, nullable }) => [slot, result, quantiles, nullable])).toEqual([
    [0, list, [0.99, 0, 1e-7], true],
    [0, double, undefined, true],
    [0, double, undefined, true],
    [1, double, undefined, true],
    [5, double, undefined, true],
    [2, list, [0.5], true],
    [3, double, undefined, true],
    [4, double, undefined, true],
  ]);
  expect(layout.features[1]).not.toHaveProperty('quantiles');
  expect(layout.features[5]!.default).toEqual([0]);
  expect(JSON.parse(JSON.stringify(layout))).toEqual(layout);
});

test('what quantiles and medians are given is judged, each by name', async () => {
  const view = featureView('shop_orders', {
    entity: shop,
    source: orders,
    features: (f) => ({
      none: f.quantiles('weight', [] as never),
      missing: f.quantiles('weight', undefined as never),
      number: f.quantiles('weight', 0.5 as never),
      below: f.quantiles('weight', [0.5, -0.1]),
      above: f.quantiles('weight', [1.1]),
      nan: f.quantiles('weight', [Number.NaN]),
      text: f.quantiles('weight', ['0.5' as never]),
      hole: f.quantiles('weight', [undefined as never, 0.5]),
      twice: f.quantiles('weight', [0.5, 0, 0.5]),
      zeros: f.quantiles('weight', [0, -0]),
      fine: f.median('weight', { accuracy: 0.0009 }),
      rough: f.median('weight', { accuracy: 0.6 }),
      no_accuracy: f.median('weight', { accuracy: Number.NaN }),
      faulty: f.quantiles('weight', [2], { accuracy: '1%' as never }),
      kind: f.quantiles('kind' as 'weight', [0.5]),
      day: f.median((e) => e.day as never, { type: z.iso.date() as never }),
      nothing: f.median(undefined as never),
      fill: f.quantiles('weight', [0.5]).default(0 as never),
    }),
  });
  const faults = await faultsOf([view]);
  const of = (name: string, part: string): string =>
    `feature view shop_orders features.${name}.${part}: wrong-aggregate-option`;
  expect(briefly(faults).toSorted()).toEqual(
    [
      ...['none', 'missing', 'number', 'below', 'above', 'nan', 'text', 'hole', 'twice', 'zeros', 'faulty'].map(
        (name) => of(name, 'quantiles'),
      ),
      ...['fine', 'rough', 'no_accuracy', 'faulty'].map((name) => of(name, 'accuracy')),
      'feature view shop_orders features.kind: wrong-input-type',
      'feature view shop_orders features.day: wrong-input-type',
      'feature view shop_orders features.nothing: no-input',
      'feature view shop_orders features.fill.default: wrong-default',
    ].toSorted(),
  );
  const messages = new Map(faults.map(({ path, message }) => [path, message]));
  expect(messages.get('features.none.quantiles')).toBe('the list of quantiles is empty');
  expect(messages.get('features.below.quantiles')).toBe('expected numbers from 0 to 1, received -0.1');
  expect(messages.get('features.twice.quantiles')).toBe('0.5 is asked for twice');
  expect(messages.get('features.fine.accuracy')).toBe('expected a number from 0.001 to 0.5, received 0.0009');
});

test('counts of distinct values share a slot where their error is one; their options are judged', async () => {
  const view = featureView('shop_orders', {
    entity: shop,
    source: orders,
    features: (f) => ({
      kinds_1d: f.approxDistinct('kind').over('1d'),
      kinds_2d: f.approxDistinct('kind', { error: 0.02 }).over('2d'),
      kinds_finer: f.approxDistinct('kind', { error: 0.01 }).over('1d').default(7),
      days: f.approxDistinct('day', { error: 0.1 }),
    }),
  });
  const { views } = await compileDefinitions(definitionsInMemory([view], '/srv/models'));
  const { layout } = views.get('shop_orders')!;
  expect(layout.slots.map(({ partial, hashes }) => [partial, hashes])).toEqual([
    ['approxDistinct', 3127],
    ['approxDistinct', 12502],
    ['approxDistinct', 127],
  ]);
  expect(layout.features.map(({ slot, result, nullable }) => [slot, result, nullable])).toEqual(
    [0, 0, 1, 2].map((slot) => [slot, { kind: 'int' }, false]),
  );
  const faulty = featureView('shop_orders', {
    entity: shop,
    source: orders,
    features: (f) => ({
      fine: f.approxDistinct('kind', { error: 0.001 }),
      rough: f.approxDistinct('kind', { error: 0.2 }),
      word: f.approxDistinct('kind', { error: '2%' as never }),
      list: f.approxDistinct('tags' as 'kind'),
      none: f.approxDistinct(undefined as never),
    }),
  });
  const faults = await faultsOf([faulty]);
  expect(briefly(faults)).toEqual([
    ...['fine', 'rough', 'word'].map(
      (name) => `feature view shop_orders features.${name}.error: wrong-aggregate-option`,
    ),
    'feature view shop_orders features.list: wrong-input-type',
    'feature view shop_orders features.none: no-input',
  ]);
  expect(faults[0]!.message).toBe('expected a number from 0.005 to 0.1, received 0.001');
});
