import { decimal, entity, featureService, featureView, source } from '../../index.ts';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { ENGINE_SEMANTICS } from '../../engine/define/view-layout.ts';
import type { HistoryInspector, HistoryLook } from '../../engine/define/check-history.ts';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { briefly, faultsOf } from './faults.ts';

const shop = entity('shop', { shop: z.string() });
const orders = source('orders', {
  schema: z.object({
    id: z.int64(),
    at: z.iso.datetime(),
    shop: z.string(),
    price: decimal(10, 2),
    units: z.int().nullable(),
    weight: z.number().optional(),
    paid: z.boolean(),
    tags: z.array(z.string()),
    day: z.iso.date(),
    kind: z.enum(['a', 'b']),
  }),
  eventTime: 'at',
  eventId: 'id',
  topic: 'orders',
});

test('a view becomes a layout with shared slots, groups by hop and the lifetime last', async () => {
  const byPrice = (row: { readonly price: string }): number => Number(row.price);
  const view = featureView('shop_orders', {
    entity: shop,
    source: orders,
    features: (f) => ({
      spent: f.sum('price'),
      spent_30d: f.sum('price').over('30d'),
      mean_13d: f.avg('price').over('13d'),
      n_1h: f.count().over('1h'),
      n_2h: f.count('units').over('2h'),
      n_12h: f.count('units').over('12h'),
      by_price_1d: f.max(byPrice).over('1d'),
      by_price_12d: f.max(byPrice).over('12d'),
      first_kind: f.first('kind').over('1w', { hop: '1h' }),
      ratio: f.last((e) => BigInt(e.units ?? 0), { type: z.int64() }),
    }),
    refresh: '6h',
    expire: '180d',
  });
  const definitions = await compileDefinitions(definitionsInMemory([view], '/srv/models'));
  const compiled = definitions.views.get('shop_orders')!;
  const h = 3_600_000_000;
  expect(compiled.refreshMs).toBe(6 * 3_600_000);
  expect(compiled.layout.expireUs).toBe(180 * 86_400_000_000);
  expect(compiled.layout).toMatchObject({
    semantics: ENGINE_SEMANTICS,
    view: 'shop_orders',
    entity: 'shop',
    tieBreak: 'integer-id',
  });
  expect(compiled.layout.groups).toEqual([
    { hopUs: h / 60, spanUs: h },
    { hopUs: h / 12, spanUs: 12 * h },
    { hopUs: h, spanUs: 12 * 24 * h },
    { hopUs: 24 * h, spanUs: 30 * 24 * h },
    { hopUs: null, spanUs: null },
  ]);
  const price = { kind: 'decimal', precision: 10, scale: 2 };
  expect(compiled.layout.slots).toEqual([
    { partial: 'count', input: null, group: 0 },
    { partial: 'count', input: { kind: 'int' }, group: 1 },
    { partial: 'max', input: { kind: 'double' }, group: 2 },
    { partial: 'first', input: { kind: 'enum', values: ['a', 'b'] }, group: 2 },
    { partial: 'sum', input: price, group: 3 },
    { partial: 'sum', input: price, group: 4 },
    { partial: 'last', input: { kind: 'int64' }, group: 4 },
  ]);
  const results = compiled.layout.features.map((f) => [f.name, f.slot, f.result.kind, f.nullable]);
  expect(results).toEqual([
    ['spent', 5, 'decimal', true],
    ['spent_30d', 4, 'decimal', true],
    ['mean_13d', 4, 'double', true],
    ['n_1h', 0, 'int', false],
    ['n_2h', 1, 'int', false],
    ['n_12h', 1, 'int', false],
    ['by_price_1d', 2, 'double', true],
    ['by_price_12d', 2, 'double', true],
    ['first_kind', 3, 'enum', true],
    ['ratio', 6, 'int64', true],
  ]);
  expect(compiled.layout.features[0]?.result).toEqual({ kind: 'decimal', precision: 38, scale: 2 });
  expect(JSON.parse(JSON.stringify(compiled.layout))).toEqual(compiled.layout);
});

test('a source keeps its options, in microseconds, and history is relative to the base folder', async () => {
  const full = source('full', {
    schema: orders.options.schema as z.ZodObject<{ at: z.ZodISODateTime }>,
    eventTime: 'at',
    history: { path: 'data/*.csv', until: '2001-06-01' },
    dedupeHorizon: '90s',
    maxAhead: '2h',
    invalidLimit: { rate: 0, window: 5 },
  });
  const { sources } = await compileDefinitions(definitionsInMemory([orders, full], '/srv/models'));
  expect(sources.get('orders')).toMatchObject({
    eventTimeField: 'at',
    eventIdField: 'id',
    topic: 'orders',
    history: null,
    dedupeHorizonUs: 86_400_000_000,
    maxAheadUs: 3_600_000_000,
    brokerTime: 'record',
    invalidLimit: { rate: 0.1, window: 1000 },
  });
  expect(sources.get('full')).toMatchObject({
    topic: null,
    history: { path: '/srv/models/data/*.csv', untilUs: 991_353_600_000_000, disjoint: false },
    dedupeHorizonUs: 90_000_000,
    maxAheadUs: 7_200_000_000,
    brokerTime: 'record',
    invalidLimit: { rate: 0, window: 5 },
  });
});

test('every fault of every definition comes at once, with name, path and remedy', async () => {
  const badKeys = entity('select', {
    found: z.string(),
    n: z.number(),
    s: z.string().min(1),
    o: z.string().nullable(),
  });
  const badSource = source('Bad Source', {
    schema: z.object({ at: z.string(), id: z.string().nullable(), any: z.any(), trimmed: z.string().trim() }),
    eventTime: 'at' as never,
    eventId: 'id' as never,
    dedupeHorizon: '1 day' as never,
    invalidLimit: { rate: 2, window: 0 },
    history: { path: '', until: 'yesterday' },
  });
  const badWords = source('bad_words', {
    schema: z.object({ at: z.iso.datetime() }),
    eventTime: 'at',
    topic: 'words',
    brokerTime: 'mine' as never,
    history: { path: 'words.csv', until: 'yesterday' },
  });
  const noKeys = entity('no_keys', {});
  const noFunction = featureView('no_function', {
    entity: shop,
    source: orders,
    where: 'paid' as never,
    features: (f) => ({ n: f.count() }),
  });
  const noLog = source('no_log', {
    schema: z.object({ at: z.iso.datetime() }),
    eventTime: 'at',
    eventId: 'nope' as never,
  });
  const sameTopic = source('same_topic', {
    schema: z.object({ at: z.iso.datetime() }),
    eventTime: 'at',
    topic: 'orders',
  });
  const otherOrders = source('orders', {
    schema: z.object({ at: z.iso.datetime() }),
    eventTime: 'at',
    topic: 'more orders',
  });
  const region = entity('region', { region: z.string(), paid: z.string(), tags: z.string(), kind: z.string() });
  const typedView = featureView('bad__view', {
    entity: shop,
    source: orders,
    refresh: '0h',
    expire: '1.5d',
    features: (f) => ({
      Upper: f.count(),
      paid: f.count(),
      as_of: f.count(),
      x: f.sum('nope' as never),
      y: f.sum('kind' as never),
      z: f.avg((e) => e.day as never, { type: z.iso.date() as never }),
      a: f.last('tags' as never),
      b: f.count().over('7 days' as never),
      c: f.count().over('30s'),
      d: f.count().over('1h', { hop: '2h' }),
      e: f.count().over('1d', { hop: 'x' as never }),
      g: f.max(undefined as never),
      h: 'count' as never,
      i: f.last(() => null, { type: z.int().min(1) }),
    }),
  });
  // Types refuse such a key; what comes untyped must be refused too.
  const badView = { ...typedView, entity: region };
  const noFeatures = featureView('no_features', { entity: shop, source: orders, features: () => ({}) });
  const throwing = featureView('throwing', {
    entity: shop,
    source: orders,
    features: () => {
      throw new Error('oops');
    },
  });
  const cyclic = featureView('cyclic', {
    entity: undefined as never,
    source: undefined as never,
    features: (f) => ({ n: f.count() }),
  });
  const unlisted = featureView('unlisted', { entity: shop, source: orders, features: (f) => ({ n: f.count() }) });
  const twin = featureView('unlisted', { entity: shop, source: orders, features: (f) => ({ n: f.count() }) });
  const service = featureService('Limit', [unlisted, undefined as never]);
  const empty = featureService('empty', []);
  const faults = await faultsOf([
    badKeys,
    badSource,
    badWords,
    noKeys,
    noFunction,
    noLog,
    sameTopic,
    otherOrders,
    badView,
    noFeatures,
    throwing,
    cyclic,
    twin,
    service,
    empty,
  ]);
  for (const fault of faults) {
    expect(fault.message).not.toBe('');
    expect(fault.remedy).not.toBe('');
  }
  expect(briefly(faults).toSorted()).toEqual(
    [
      'entity no_keys keys: no-keys',
      'entity select keys.found: reserved-name',
      'entity select keys.n: unsupported-type',
      'entity select keys.o: unsupported-type',
      'entity select keys.s: unsupported-type',
      'feature service empty views: no-views',
      'feature service Limit name: invalid-name',
      'feature service Limit views[0]: unknown-view',
      'feature service Limit views[1]: unknown-view',
      'feature view bad__view expire: invalid-duration',
      'feature view bad__view features.Upper: invalid-name',
      'feature view bad__view features.a: wrong-input-type',
      'feature view bad__view features.as_of: reserved-name',
      'feature view bad__view features.b.over: invalid-duration',
      'feature view bad__view features.c.over: window-too-short',
      'feature view bad__view features.d.over: window-too-short',
      'feature view bad__view features.e.hop: invalid-duration',
      'feature view bad__view features.g: no-input',
      'feature view bad__view features.h: no-feature',
      'feature view bad__view features.i: unsupported-type',
      'feature view bad__view features.paid: duplicate-name',
      'feature view bad__view features.x: unknown-field',
      'feature view bad__view features.y: wrong-input-type',
      'feature view bad__view features.z: wrong-input-type',
      'feature view bad__view key: key-mismatch',
      'feature view bad__view key: key-mismatch',
      'feature view bad__view key: key-mismatch',
      'feature view bad__view name: invalid-name',
      'feature view bad__view refresh: invalid-duration',
      'feature view cyclic entity: no-entity',
      'feature view cyclic source: no-source',
      'feature view no_features features: no-features',
      'feature view no_function where: no-function',
      'feature view throwing features: features-failed',
      'source Bad Source dedupeHorizon: invalid-duration',
      'source Bad Source eventId: wrong-field-type',
      'source Bad Source eventTime: wrong-field-type',
      'source Bad Source history.path: invalid-history',
      'source Bad Source invalidLimit: invalid-limit',
      'source Bad Source name: invalid-name',
      'source Bad Source schema.any: unsupported-contract',
      'source Bad Source schema.trimmed: unsupported-contract',
      'source bad_words brokerTime: invalid-broker-time',
      'source bad_words history.until: invalid-until',
      'source no_log : no-log',
      'source no_log eventId: unknown-field',
      'source orders name: duplicate-name',
      'source orders topic: duplicate-topic',
      'source orders topic: invalid-topic',
    ].toSorted(),
  );
});

test('names that a surface has for itself are refused for features and join keys, with the surface', async () => {
  const reserved = ['as_of', 'ahead', 'errors', 'state', 'state_crc', 'seq', 'found', 'version', 'freshness'];
  reserved.push('freshness_ms', 'freshness_us', 'freshness_seconds', 'event_timestamp', 'request_id', 'state_commit');
  for (const name of reserved) {
    const keyed = entity('keyed', { [name]: z.string() });
    const view = featureView('v', { entity: shop, source: orders, features: (f) => ({ [name]: f.count() }) });
    const faults = await faultsOf([keyed, view]);
    expect(briefly(faults)).toEqual([
      `entity keyed keys.${name}: reserved-name`,
      `feature view v features.${name}: reserved-name`,
    ]);
    for (const { message } of faults) expect(message).toMatch(new RegExp(`^"${name}" is reserved: .+ name`));
  }
  // Close to them is free, as is what only nests them.
  const free = featureView('v', {
    entity: shop,
    source: orders,
    features: (f) => ({ error: f.count(), values: f.count(), errors_1d: f.count(), constructor: f.count() }),
  });
  expect(await faultsOf([free])).toEqual([]);
});

test('the headers a contract names: visible ASCII, each once, none a column of another', async () => {
  const schema = z.object({ id: z.string(), at: z.iso.datetime(), Header_trace: z.string() });
  const compiled = async (headers: readonly string[], topic: string | undefined = 'orders') =>
    briefly(
      await faultsOf([source('orders', { schema, eventTime: 'at', topic, headers, history: { path: 'x.csv' } })]),
    );
  expect(await compiled(['trace_id', 'x-request-id'])).toEqual([]);
  expect(await compiled(['trace'])).toEqual(['source orders headers: duplicate-header']);
  expect(await compiled(['a', 'b', 'A'])).toEqual(['source orders headers: duplicate-header']);
  expect(await compiled(['naïve'])).toEqual(['source orders headers: invalid-header']);
  expect(await compiled([''])).toEqual(['source orders headers: invalid-header']);
  const without = source('orders', { schema, eventTime: 'at', headers: ['a'], history: { path: 'x.csv' } });
  expect(briefly(await faultsOf([without]))).toEqual(['source orders headers: invalid-header']);
});

test('two different definitions of one name are told, the same one twice is not', async () => {
  const view = featureView('v', { entity: shop, source: orders, features: (f) => ({ n: f.count() }) });
  const twin = featureView('v', { entity: shop, source: orders, features: (f) => ({ n: f.count() }) });
  expect(await faultsOf([view, view, shop, orders])).toEqual([]);
  expect(briefly(await faultsOf([view, twin]))).toEqual(['feature view v name: duplicate-name']);
});

test('the error prints every fault with its remedy', async () => {
  const view = featureView('v', { entity: shop, source: orders, features: (f) => ({ n: f.sum('kind' as never) }) });
  const compiling = compileDefinitions(definitionsInMemory([view], '/srv/models'));
  await expect(compiling).rejects.toThrow(
    '1 fault in the definitions:\n- feature view v, features.n: sum takes numbers, but field "kind" is enum. Use min, max, first, last or count, or a numeric field.',
  );
});

test('history is looked at where it can be', async () => {
  const history = (name: string) =>
    source(name, {
      schema: z.object({ at: z.iso.datetime(), n: z.int() }),
      eventTime: 'at',
      history: { path: `${name}.parquet` },
    });
  const asked: (string | undefined)[] = [];
  const fault = { code: 'column-type-mismatch', message: 'the file says otherwise', remedy: 'Change it.' } as const;
  const looks: Record<string, HistoryLook> = {
    s0: { faults: [], sample: { source: 's0', rows: 3, of: 9, invalid: 1, reasons: '1 × n' } },
    s1: {
      faults: [
        { ...fault, field: 'n' },
        { ...fault, code: 'history-unreadable', field: null },
      ],
      sample: null,
    },
  };
  const inspectHistory: HistoryInspector = async ({ name, history: at }) => {
    asked.push(at?.path);
    return looks[name]!;
  };
  const faults = await faultsOf([history('s0'), history('s1')], { inspectHistory });
  expect(asked).toEqual(['/srv/models/s0.parquet', '/srv/models/s1.parquet']);
  expect(briefly(faults)).toEqual([
    'source s1 schema.n: column-type-mismatch',
    'source s1 history.path: history-unreadable',
  ]);
  const { samples } = await compileDefinitions(definitionsInMemory([history('s0')], '/srv/models'), { inspectHistory });
  expect(samples).toEqual([looks['s0']!.sample]);
});
