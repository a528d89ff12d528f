import { decimal, entity, featureService, featureView, source } from 'millrace';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import { importDefinitions } from '../../engine/define/import-definitions.ts';
import { type Definition, definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { requestReader } from '../../engine/define/request-fields.ts';
import { writeProject } from '../define/code-of.ts';
import { briefly, faultsOf } from '../define/faults.ts';

const orders = source('orders', {
  schema: z.object({ id: z.string(), at: z.iso.datetime(), shop: z.string() }),
  eventTime: 'at',
  topic: 'orders',
});
const shop = entity('shop', { shop: z.string() });
const sales = featureView('sales', {
  entity: shop,
  source: orders,
  features: (f) => ({ n_1d: f.count().over('1d'), last: f.last('id') }),
});

const service = (given: object): Definition =>
  featureService('model', {
    views: [sales.as('from', { shop: 'origin' }), sales],
    ...given,
  } as never);
const faulty = async (given: object): Promise<string[]> =>
  briefly(await faultsOf([sales, service(given)])).map((fault) => fault.replace('feature service model ', ''));

type Compute = (
  blocks: Record<string, Record<string, number>>,
  context: { request: Record<string, number> },
) => unknown;
type D = { number(compute: Compute): unknown; int(compute: Compute): unknown };

describe('plan', () => {
  test('takes a service that derives of its roles, its views, its request, and what it derived before', async () => {
    const given = {
      request: z.object({ seats: z.int().min(1), fare: decimal(8, 2).optional() }),
      derived: [
        (d: D) => ({
          a: d.number(({ from, sales: plain }, { request }) => from!['n_1d']! + plain!['n_1d']! * request['seats']!),
        }),
        (d: D) => ({ b: d.number(({ model }) => model!['a']!) }),
      ],
    };
    expect(await faulty(given)).toEqual([]);
  });

  test.for([
    ['a field named as a column', { request: z.object({ origin: z.string() }) }, ['request.origin: duplicate-name']],
    ['a field named as a join key', { request: z.object({ shop: z.string() }) }, ['request.shop: duplicate-name']],
    ['a list', { request: z.object({ tags: z.array(z.string()) }) }, ['request.tags: unsupported-type']],
    ['no object', { request: z.string() }, ['request: unsupported-type']],
    ['what cannot be honoured', { request: z.object({ a: z.any() }) }, ['request.a: unsupported-type']],
    ['a reserved name', { request: z.object({ request_id: z.string() }) }, ['request.request_id: reserved-name']],
    [
      'a name twice',
      { derived: [(d: D) => ({ a: d.int(() => 1) }), (d: D) => ({ a: d.int(() => 1) })] },
      ['derived[1].a: duplicate-name'],
    ],
    ['no function', { derived: 5 }, ['derived: no-function']],
    ['the clock', { derived: (d: D) => ({ a: d.int(() => Date.now()) }) }, ['derived.a: impure-function']],
    [
      'the environment',
      { derived: (d: D) => ({ a: d.int(() => process.env['HOME']!.length) }) },
      ['derived.a: impure-function'],
    ],
    [
      'what throws where there is nothing',
      { derived: (d: D) => ({ a: d.int(({ from }) => (from!['last'] as never as string).length) }) },
      ['derived.a: failing-function'],
    ],
  ] as const)('refuses %s', async ([, given, expected]) => {
    expect(await faulty(given)).toEqual(expected);
  });
});

const files = {
  'index.ts': `
    import { entity, featureService, featureView, source } from 'millrace';
    import { z } from 'zod';
    import { busy } from './busy.ts';
    export const shop = entity('shop', { shop: z.string() });
    export const orders = source('orders', {
      schema: z.object({ id: z.string(), at: z.iso.datetime(), shop: z.string() }), eventTime: 'at', topic: 'orders',
    });
    export const sales = featureView('sales', { entity: shop, source: orders, features: (f) => ({ n_1d: f.count().over('1d') }) });
    export const model = featureService('model', {
      views: [sales],
      request: z.object({ seats: z.int() }),
      derived: (d) => ({ load: d.number(({ sales }, { request }) => busy(sales.n_1d) * request.seats) }),
    });
  `,
  'busy.ts': 'export const busy = (n: number): number => n * 2;',
};

test('another derived feature is another version of the service, and of no view', async () => {
  const compiled = async (...[from, to]: readonly string[]) => {
    const edited = Object.fromEntries(
      Object.entries(files).map(([name, text]) => [name, from === undefined ? text : text.replace(from, to!)]),
    );
    const { views, services } = await compileDefinitions(await importDefinitions(writeProject(edited)));
    return { fingerprint: views.get('sales')!.fingerprint, tag: services.get('model')!.derivedTag };
  };
  const base = await compiled();
  expect(base.tag).toMatch(/^[0-9a-f]{16}$/);
  expect(await compiled('busy = (n', 'busy = /* n */ (n')).toEqual(base);
  for (const edit of [
    ['n * 2', 'n * 3'],
    ['* request.seats', '+ request.seats'],
    ['seats: z.int()', 'seats: z.int().min(1)'],
    ['d.number', 'd.int'],
  ]) {
    const after = await compiled(...edit);
    expect(after.fingerprint).toBe(base.fingerprint);
    expect(after.tag).not.toBe(base.tag);
  }
});

test('a request is read by its contract, whoever gives it', async () => {
  const given = featureService('model', {
    views: [sales],
    request: z.object({
      seats: z.int().min(1),
      big: z.int64(),
      due: z.iso.datetime(),
      code: z.string().nullable(),
      fare: decimal(8, 2).optional(),
    }),
  });
  const definitions = await compileDefinitions(definitionsInMemory([sales, given], '/'));
  const { request = [] } = definitions.services.get('model')!;
  const typed = requestReader('model', request, 'typescript');
  const json = requestReader('model', request, 'json');
  const due = 1_767_225_600_000_000;
  const values = { seats: 2, big: 3n, due, code: null, fare: null };
  expect(typed({ seats: 2, big: 3n, due, code: null })).toEqual(values);
  expect(json({ seats: 2, big: '3', due: '2026-01-01T00:00:00Z', code: null })).toEqual(values);
  expect(json({ seats: 2, big: '3', due: '2026-01-01T00:00:00Z', code: 'a', fare: '1.5' })).toMatchObject({
    fare: '1.50',
  });
  const fine = { seats: 2, big: '3', due: '2026-01-01T00:00:00Z', code: null };
  const refused = (read: (given: unknown) => unknown, what: unknown): string => {
    try {
      read(what);
      return 'taken';
    } catch (error) {
      expect(error).toMatchObject({ code: 'invalid-request' });
      return (error as Error).message;
    }
  };
  expect(refused(json, { ...fine, seats: undefined })).toMatch(/seats: is missing: expected an integer/);
  expect(refused(json, { ...fine, seats: 0 })).toMatch(/seats: expected an integer .*received 0/);
  expect(refused(json, { ...fine, seats: null })).toMatch(/seats: expected an integer .*received null/);
  expect(refused(json, { ...fine, seats: '2' })).toMatch(/seats: expected an integer/);
  expect(refused(json, { ...fine, more: 1 })).toMatch(
    /more: there is no such value of a request: it takes seats, big, due, code, fare/,
  );
  expect(refused(json, [])).toMatch(/expected an object/);
  expect(refused(json, undefined)).toMatch(/seats: is missing/);
  expect(refused(typed, { ...fine, big: '3' })).toMatch(/big: expected .*in TypeScript it is a bigint/);
});
