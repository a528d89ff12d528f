import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import { compileSource } from '../../engine/define/compile-source.ts';
import type { CompiledView, Row } from '../../engine/define/compiled-view.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { fieldsOfFeature, observedFields } from '../../engine/define/observed-fields.ts';
import { observedReads } from '../../engine/define/observed-reads.ts';
import { describePlan } from '../../engine/define/plan.ts';
import { entity, featureService, featureView, source } from '../../index.ts';
import { sampleRows } from '../../engine/purity/sample-values.ts';
import { lawRuns } from '../laws/law-seed.ts';

const shop = entity('shop', { shop: z.string() });
const orders = source('orders', {
  schema: z.object({
    at: z.iso.datetime(),
    shop: z.string(),
    city: z.string().nullable(),
    price: z.int(),
    units: z.int(),
    kind: z.enum(['a', 'b']),
    paid: z.boolean(),
  }),
  eventTime: 'at',
  topic: 'orders',
});
const FIELDS = ['at', 'shop', 'city', 'price', 'units', 'kind', 'paid'];

type Options = Partial<Parameters<typeof featureView>[1]>;
type OrderRow = Record<'price' | 'units', number> & { city: string | null; shop: string; kind: string; paid: boolean };

function sales(options: Options) {
  return featureView('sales', { entity: shop, source: orders, ...options } as never) as ReturnType<typeof featureView>;
}

async function compiled(options: Options): Promise<CompiledView> {
  const { views } = await compileDefinitions(definitionsInMemory([sales(options)], '/srv/models'));
  return views.get('sales')!;
}

async function seen(features: unknown, options: Options = {}, rows: readonly Row[] = []) {
  const observed = observedFields(await compiled({ ...options, features } as Options), rows);
  expect(observed).not.toBeNull();
  return observed!;
}

type F = Record<string, (...args: never[]) => unknown> & {
  count(): { over(window: string): Record<'where', (condition: unknown) => unknown> };
  sum(from: unknown): { over(window: string): unknown; where(condition: unknown): { over(window: string): unknown } };
};

describe('what a feature reads', () => {
  test.for<[string, (f: F) => unknown, string[]]>([
    ['of one column', (f) => f.sum('price').over('1d'), ['price']],
    ['of rows', (f) => f.count().over('1d'), []],
    ['of a function of two', (f) => f.sum((e: OrderRow) => e.price * e.units).over('1d'), ['price', 'units']],
    [
      'of what it takes apart',
      (f) => f.sum(({ units, kind }: OrderRow) => (kind === 'a' ? units : 0)).over('1d'),
      ['units', 'kind'],
    ],
    [
      'of its own where',
      (f) =>
        f
          .sum('price')
          .where((e: OrderRow) => e.paid)
          .over('1d'),
      ['price', 'paid'],
    ],
    ['of a function that keys', (f) => f.sum((e: OrderRow) => Object.keys(e).length).over('1d'), FIELDS],
    ['of one that spreads', (f) => f.sum((e: OrderRow) => ({ ...e }).price).over('1d'), FIELDS],
    [
      'of one that takes the rest',
      (f) => f.sum(({ price, ...rest }: OrderRow) => price + (rest.paid ? 1 : 0)).over('1d'),
      FIELDS,
    ],
    [
      'of one that writes all',
      (f) =>
        f
          .sum((e: OrderRow) => JSON.stringify(e, (_, v: unknown) => (typeof v === 'bigint' ? `${v}` : v)).length)
          .over('1d'),
      FIELDS,
    ],
    ['of one that asks whether', (f) => f.sum((e: OrderRow) => ('city' in e ? 1 : 0)).over('1d'), ['city']],
    [
      'of a branch that only some rows take',
      (f) => f.sum((e: OrderRow) => (e.kind === 'b' ? e.units : 0)).over('1d'),
      ['units', 'kind'],
    ],
    ['of a constant', (f) => f.sum(() => 1).over('1d'), []],
  ])('%s', async ([, feature, fields]) => {
    const observed = await seen((f: F) => ({ x: feature(f) }));
    expect(observed).toEqual({ where: [], key: ['shop'], features: { x: fields }, derived: {} });
  });

  test('of the where and the key of its view depends all', async () => {
    const observed = await seen((f: F) => ({ x: f.sum('price').over('1d') }), {
      where: (e: OrderRow) => e.paid,
      key: (e: OrderRow) => ({ shop: e.city }),
    } as unknown as Options);
    expect(observed).toMatchObject({ where: ['paid'], key: ['city'], features: { x: ['price'] } });
    expect(fieldsOfFeature(observed, 'x')).toEqual(['price', 'paid', 'city']);
    expect(fieldsOfFeature(observed, 'unheard_of')).toEqual(['paid', 'city']);
  });

  test('rows that where does not keep show nothing, unless it keeps none', async () => {
    const features = (f: F) => ({ x: f.sum((e: OrderRow) => (e.paid ? e.price : e.units)).over('1d') });
    const where = (condition: (e: OrderRow) => boolean) => ({ where: condition }) as unknown as Options;
    expect(
      (
        await seen(
          features,
          where((e) => e.paid),
        )
      ).features['x'],
    ).toEqual(['price', 'paid']);
    expect(
      (
        await seen(
          features,
          where(() => false),
        )
      ).features['x'],
    ).toEqual(['price', 'units', 'paid']);
  });

  test('of a branch that no row of the contract takes, rows of a history show it', async () => {
    const features = (f: F) => ({ x: f.sum((e: OrderRow) => (e.city === 'Oslo' ? e.units : 0)).over('1d') });
    expect((await seen(features)).features['x']).toEqual(['city']);
    const row = { at: 0, shop: 's', city: 'Oslo', price: 1, units: 2, kind: 'a', paid: true };
    expect((await seen(features, {}, [Object.freeze(row)])).features['x']).toEqual(['city', 'units']);
  });

  test('that is derived, through its inputs', async () => {
    const observed = await seen(
      (f: F) => ({ spent: f.sum('price').over('1d'), n: f.sum('units').over('1d'), m: f.count().over('1d') }),
      {
        derived: [
          (d: { number(compute: unknown): unknown }) => ({
            each: d.number((v: Record<string, number | null>) => (v['n'] ? v['spent']! / v['n'] : null)),
          }),
          (d: { number(compute: unknown): unknown }) => ({
            twice: d.number((v: Record<string, number | null>) => (v['each'] ?? 0) * 2),
            each_of: d.number((v: Record<string, number | null>) => Object.values(v).length),
            at: d.number((_: unknown, { at }: { at: number }) => at),
          }),
        ],
      } as unknown as Options,
    );
    expect(observed.derived).toEqual({
      each: ['n', 'spent'],
      twice: ['each'],
      each_of: ['spent', 'n', 'm', 'each'],
      at: [],
    });
    expect(observed.features).toMatchObject({
      each: ['price', 'units'],
      twice: ['price', 'units'],
      each_of: ['price', 'units'],
      at: [],
    });
  });

  test('a plan says it, and marks it as observed', async () => {
    const features = (f: F) => ({ x: f.sum((e: OrderRow) => (e.city === 'Oslo' ? e.units : 0)).over('1d') });
    const definitions = await compileDefinitions(
      definitionsInMemory([sales({ features } as unknown as Options)], '/srv/models'),
    );
    const row = { at: 0, shop: 's', city: 'Oslo', price: 1, units: 2, kind: 'a', paid: true };
    const [plain] = describePlan(definitions);
    expect(plain).toMatchObject({
      observedFields: { where: [], key: ['shop'] },
      features: [{ observedFields: ['city'] }],
    });
    const [more] = describePlan(definitions, undefined, (name) => (name === 'orders' ? [row] : []));
    expect(more?.features[0]?.observedFields).toEqual(['city', 'units']);
  });
});

test('what a service derives is observed, too: of its views, of requests and of itself', async () => {
  const view = sales({
    features: (f: F) => ({ spent: f.sum('price').over('1d'), n: f.count().over('1d') }),
  } as unknown as Options);
  const service = featureService('model', {
    views: [view],
    request: z.object({ seats: z.int(), note: z.string() }),
    derived: [
      (d: { number(compute: unknown): unknown }) => ({
        ratio: d.number(
          (v: never, { request }: { request: { seats: number } }) =>
            (v['sales'] as { spent: number }).spent / request.seats,
        ),
      }),
      (d: { number(compute: unknown): unknown }) => ({
        more: d.number((v: never) => ((v['model'] as { ratio: number }).ratio ?? 0) + 1),
      }),
    ],
  } as never);
  const { services } = await compileDefinitions(definitionsInMemory([view, service], '/srv/models'));
  const reads = observedReads(services.get('model')!);
  expect([...reads]).toEqual([
    ['ratio', { features: [{ block: 'sales', feature: 'spent' }], request: ['seats'] }],
    ['more', { features: [{ block: 'model', feature: 'ratio' }], request: [] }],
  ]);
});

/** A function as data: what it gives is of no matter. */
type Expression =
  | { readonly field: string }
  | { readonly when: 'paid' | 'kind'; readonly yes: Expression; readonly no: Expression }
  | { readonly all: readonly Expression[] };

const { expression } = fc.letrec<{ expression: Expression }>((tie) => ({
  expression: fc.oneof(
    { depthSize: 'small' },
    fc.record({ field: fc.constantFrom(...FIELDS) }),
    fc.record({
      when: fc.constantFrom('paid' as const, 'kind' as const),
      yes: tie('expression'),
      no: tie('expression'),
    }),
    fc.record({ all: fc.array(tie('expression'), { maxLength: 3 }) }),
  ),
}));

function run(of: Expression, row: Row): number {
  if ('field' in of) return row[of.field] === null ? 0 : 1;
  if ('all' in of) return of.all.reduce((sum, one) => sum + run(one, row), 0);
  return row[of.when] === true || row[of.when] === 'a' ? run(of.yes, row) : run(of.no, row);
}

/** The same without anything that watches. */
function readsOf(of: Expression, row: Row): string[] {
  if ('field' in of) return [of.field];
  if ('all' in of) return of.all.flatMap((one) => readsOf(one, row));
  return [of.when, ...readsOf(row[of.when] === true || row[of.when] === 'a' ? of.yes : of.no, row)];
}

test('law: what is observed is what the sampled rows make a function read', async () => {
  const { plans } = compileSource(orders, '/srv/models', () => {});
  const { rows } = sampleRows(plans);
  await fc.assert(
    fc.asyncProperty(expression, async (of) => {
      const observed = await seen((f: F) => ({ x: f.sum((e: Row) => run(of, e)).over('1d') }));
      const expected = new Set(rows.flatMap((row) => readsOf(of, row)));
      expect(observed.features['x']).toEqual(FIELDS.filter((name) => expected.has(name)));
    }),
    lawRuns(60),
  );
});
