import { expect, test } from 'vitest';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { featureView } from '../../index.ts';
import { briefly, faultsOf } from './faults.ts';
import { orders, shop } from './shop-orders.ts';

test('lists have a length and may be distinct; both decide what is shared', async () => {
  const view = featureView('shop_orders', {
    entity: shop,
    source: orders,
    features: (f) => ({
      last_3: f.lastN('price', 3).over('1d'),
      last_3_of_2d: f.lastN('price', 3).over('2d').default(['1.5']),
      last_4: f.lastN('price', 4).over('1d'),
      last_3_each: f.lastN('price', 3, { distinct: true }).over('1d'),
      first_3: f.firstN('price', 3).over('1d'),
    }),
  });
  const { views } = await compileDefinitions(definitionsInMemory([view], '/srv/models'));
  const { layout } = views.get('shop_orders')!;
  const price = { kind: 'decimal', precision: 10, scale: 2 };
  expect(layout.slots).toEqual([
    { partial: 'lastN', input: price, size: 3, group: 0 },
    { partial: 'lastN', input: price, size: 4, group: 0 },
    { partial: 'lastN', input: price, size: 3, distinct: true, group: 0 },
    { partial: 'firstN', input: price, size: 3, group: 0 },
  ]);
  expect(layout.features.map(({ slot, result, nullable }) => [slot, result, nullable])).toEqual([
    [0, { kind: 'list', item: price }, true],
    [0, { kind: 'list', item: price }, false],
    [1, { kind: 'list', item: price }, true],
    [2, { kind: 'list', item: price }, true],
    [3, { kind: 'list', item: price }, true],
  ]);
  expect(layout.features[1]!.default).toEqual(['1.50']);
  expect(JSON.parse(JSON.stringify(layout))).toEqual(layout);
});

test('the length of a list is judged, and what it lists', async () => {
  const view = featureView('shop_orders', {
    entity: shop,
    source: orders,
    features: (f) => ({
      none: f.lastN('price', undefined as never),
      zero: f.lastN('price', 0),
      half: f.firstN('price', 1.5),
      many: f.lastN('price', 1001),
      text: f.lastN('price', '3' as never),
      flag: f.lastN('price', 3, { distinct: 1 as never }),
      tags: f.lastN('tags' as never, 3),
      filled: f.lastN('price', 3).default(['x']),
      nothing: f.lastN(undefined as never, 3),
      fine: f.lastN('price', 1000),
    }),
  });
  const faults = await faultsOf([view]);
  expect(briefly(faults).toSorted()).toEqual([
    'feature view shop_orders features.filled.default: wrong-default',
    'feature view shop_orders features.flag.distinct: wrong-aggregate-option',
    'feature view shop_orders features.half.n: wrong-aggregate-option',
    'feature view shop_orders features.many.n: wrong-aggregate-option',
    'feature view shop_orders features.none.n: wrong-aggregate-option',
    'feature view shop_orders features.nothing: no-input',
    'feature view shop_orders features.tags: wrong-input-type',
    'feature view shop_orders features.text.n: wrong-aggregate-option',
    'feature view shop_orders features.zero.n: wrong-aggregate-option',
  ]);
  expect(faults.find(({ path }) => path === 'features.many.n')?.message).toBe(
    'expected a whole number from 1 to 1000, received 1001',
  );
});

test('what counts values shares one state per limit; distinct alone holds no counts', async () => {
  const view = featureView('shop_orders', {
    entity: shop,
    source: orders,
    features: (f) => ({
      distinct_1d: f.distinct('kind').over('1d'),
      top_1d: f.topK('kind', 2).over('1d'),
      top_5_2d: f.topK('kind', 5).over('2d'),
      histogram_1d: f.histogram('kind').over('1d').default({ b: 2 }),
      few_1d: f.distinct('kind', { limit: 5 }).over('1d'),
      distinct_30d: f.distinct('kind').over('30d'),
      prices: f.topK('price', 3),
    }),
  });
  const { views } = await compileDefinitions(definitionsInMemory([view], '/srv/models'));
  const { layout } = views.get('shop_orders')!;
  const kind = { kind: 'enum', values: ['a', 'b'] };
  const price = { kind: 'decimal', precision: 10, scale: 2 };
  expect(layout.slots).toEqual([
    { partial: 'counts', input: kind, limit: 1000, group: 0 },
    { partial: 'values', input: kind, limit: 5, group: 0 },
    { partial: 'values', input: kind, limit: 1000, group: 1 },
    { partial: 'counts', input: price, limit: 1000, group: 2 },
  ]);
  expect(layout.features.map(({ slot, result, top, nullable }) => [slot, result, top, nullable])).toEqual([
    [0, { kind: 'int' }, undefined, true],
    [0, { kind: 'list', item: kind }, 2, true],
    [0, { kind: 'list', item: kind }, 5, true],
    [0, { kind: 'map', key: kind, value: { kind: 'int' } }, undefined, true],
    [1, { kind: 'int' }, undefined, true],
    [2, { kind: 'int' }, undefined, true],
    [3, { kind: 'list', item: price }, 3, true],
  ]);
  expect(layout.features[3]!.default).toEqual({ b: 2 });
  expect(JSON.parse(JSON.stringify(layout))).toEqual(layout);
});

test('limits and ranks are judged, and what can be the key of a map', async () => {
  const view = featureView('shop_orders', {
    entity: shop,
    source: orders,
    features: (f) => ({
      zero: f.distinct('price', { limit: 0 }),
      many: f.histogram('kind', { limit: 10_001 }),
      text: f.topK('price', 3, { limit: '5' as never }),
      no_k: f.topK('price', undefined as never),
      k_beyond: f.topK('price', 11, { limit: 10 }),
      half_k: f.topK('price', 0.5),
      decimals: f.histogram('price' as never),
      doubles: f.histogram('weight' as never),
      times: f.histogram('at' as never),
      filled: f.histogram('kind').default({ c: 1 } as never),
      tags: f.distinct('tags' as never),
      nothing: f.distinct(undefined as never),
      fine: f.topK('price', 10_000, { limit: 10_000 }),
    }),
  });
  const faults = await faultsOf([view]);
  expect(briefly(faults).toSorted()).toEqual([
    'feature view shop_orders features.decimals: wrong-input-type',
    'feature view shop_orders features.doubles: wrong-input-type',
    'feature view shop_orders features.filled.default: wrong-default',
    'feature view shop_orders features.half_k.k: wrong-aggregate-option',
    'feature view shop_orders features.k_beyond.k: wrong-aggregate-option',
    'feature view shop_orders features.many.limit: wrong-limit',
    'feature view shop_orders features.no_k.k: wrong-aggregate-option',
    'feature view shop_orders features.nothing: no-input',
    'feature view shop_orders features.tags: wrong-input-type',
    'feature view shop_orders features.text.limit: wrong-limit',
    'feature view shop_orders features.times: wrong-input-type',
    'feature view shop_orders features.zero.limit: wrong-limit',
  ]);
});
