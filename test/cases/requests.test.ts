import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { z } from 'zod';
import { decimal } from '../../engine/contract/decimal.ts';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import { entity } from '../../engine/define/entity.ts';
import { featureService } from '../../engine/define/feature-service.ts';
import { featureView } from '../../engine/define/feature-view.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { source } from '../../engine/define/source.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import type { FeaturesResponse } from '../../serving/api-schemas.ts';
import { type RunningApi, startApi } from '../../serving/start-api.ts';
import { fixedClock, NOW_US, publish } from '../online/online-fixture.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';

const pair = entity('pair', { shop: z.string(), number: z.int() });
const shop = entity('shop', { shop: z.string() });
const typed = entity('typed', {
  flag: z.boolean(),
  day: z.iso.date(),
  price: decimal(6, 2),
  big: z.int64(),
  kind: z.enum(['x', 'y']),
  moment: z.iso.datetime(),
});
const sales = source('sales', {
  schema: z.object({
    id: z.string(),
    at: z.iso.datetime(),
    shop: z.string(),
    number: z.int(),
    flag: z.boolean(),
    day: z.iso.date(),
    price: decimal(6, 2),
    big: z.int64(),
    kind: z.enum(['x', 'y']),
    moment: z.iso.datetime(),
  }),
  eventTime: 'at',
  topic: 'sales',
});
const byPair = featureView('by_pair', {
  entity: pair,
  source: sales,
  features: (f) => ({ n: f.count(), sum: f.sum('number') }),
});
const byShop = featureView('by_shop', { entity: shop, source: sales, features: (f) => ({ n: f.count() }) });
const byTyped = featureView('by_typed', { entity: typed, source: sales, features: (f) => ({ n: f.count() }) });
const both = featureService('both', [byPair, byShop]);

const COMPOSED = 'caf\u00e9';
const DECOMPOSED = 'cafe\u0301';

let database: OwnDatabase;
let api: RunningApi;
beforeAll(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl);
  await migrateToLatest(database.pool);
  const definitions = await compileDefinitions(definitionsInMemory([byPair, byShop, byTyped, both], '/'));
  const rows = [COMPOSED, DECOMPOSED, DECOMPOSED, 'north', '', ' north '].map((name, n) => ({
    id: `s${n}`,
    at: NOW_US - 60_000_000,
    shop: name,
    number: 7,
    flag: true,
    day: '2001-06-01',
    price: '1.50',
    big: 2n ** 63n - 1n,
    kind: 'x',
    moment: Date.parse('2001-06-01T00:00:00Z') * 1000,
  }));
  for (const view of definitions.views.values()) await publish(database.pool, view, rows);
  api = await startApi({ databaseUrl: database.url, clock: fixedClock, definitions });
});
afterAll(async () => {
  await api.close();
  await database.drop();
});

async function post(body: unknown): Promise<{ status: number; answer: Record<string, unknown> }> {
  const response = await fetch(`${api.url}/v1/features`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, answer: (await response.json()) as Record<string, unknown> };
}

async function counts(view: string, entities: readonly unknown[]): Promise<unknown[]> {
  const { status, answer } = await post({ features: [view], entities });
  if (status !== 200) throw new Error(JSON.stringify(answer));
  return (answer as FeaturesResponse).results.map(({ views }) => views[view]!.values['n']);
}

describe('case 48: wrong, missing and surplus parts of an entity', () => {
  const good = { shop: 'north', number: 7 };
  const faults: readonly (readonly [string, unknown, RegExp])[] = [
    ['one of two keys', { shop: 'north' }, /entities\[1\]: .*"number": expected an integer, received nothing/],
    ['an integer as text', { ...good, number: '7' }, /entities\[1\]: .*"number": expected an integer, received "7"/],
    ['a fraction', { ...good, number: 7.5 }, /entities\[1\]: .*"number": expected an integer, received 7.5/],
    ['a key of another view', { ...good, flag: true }, /entities\[1\]: .*"flag"/],
    ['another case', { Shop: 'north', number: 7 }, /entities\[1\]: .*"Shop"/],
    ['null', { ...good, shop: null }, /entities\[1\]: .*"shop": expected text, received null/],
    ['a list', { ...good, shop: ['north'] }, /entities\[1\]: .*"shop": expected text, received a list/],
    ['an object', { ...good, shop: { name: 'north' } }, /entities\[1\]: .*"shop": expected text, received an object/],
  ];

  it.each(faults)('%s: 400 with the entity and the key', async (_, entity, message) => {
    const { status, answer } = await post({ features: ['by_pair'], entities: [good, entity, good] });
    expect(answer).toMatchObject({ code: 'invalid-key', message: expect.stringMatching(message) });
    expect(answer['remedy']).toBeTruthy();
    expect(status).toBe(400);
  });

  it.each([
    ['no entities', { features: ['by_pair'], entities: [] }, 'invalid-request', /entities/],
    ['an entity that is none', { features: ['by_pair'], entities: [good, 'north'] }, 'invalid-request', /entities/],
    ['an unknown feature', { features: ['by_pair.nope'], entity: good }, 'unknown-feature', /nope/],
    ['an unknown view', { features: ['nope'], entity: good }, 'unknown-view', /nope/],
    ['a service of another name', { service: 'Both', entity: good }, 'unknown-service', /Both/],
    ['a field that is none', { features: ['by_pair'], entity: good, ats: 'x' }, 'invalid-request', /ats/],
    [
      '1,001 entities',
      { features: ['by_pair'], entities: Array.from({ length: 1001 }, () => good) },
      'invalid-request',
      /1,?000/,
    ],
  ])('%s: 400 by name', async (_, body, code, message) => {
    const { status, answer } = await post(body);
    expect(answer).toMatchObject({
      code,
      message: expect.stringMatching(message),
      remedy: expect.stringMatching(/\w/),
    });
    expect(status).toBe(400);
  });

  it('1,000 entities with repeats, composed and decomposed: all answered, in order, and texts are the same by their bytes', async () => {
    const kinds = [COMPOSED, DECOMPOSED, 'north', '', ' north ', 'North', 'nobody'];
    const expected = [1, 2, 1, 1, 1, 0, 0];
    const entities = Array.from({ length: 1000 }, (_, n) => ({ shop: kinds[(n * 5) % kinds.length], number: 7 }));
    const { status, answer } = await post({ features: ['by_pair'], entities });
    expect(status).toBe(200);
    const { results } = answer as FeaturesResponse;
    expect(results.map(({ entity }) => entity)).toEqual(entities);
    expect(results.map(({ views }) => views['by_pair']!.values['n'])).toEqual(
      entities.map((_, n) => expected[(n * 5) % kinds.length]),
    );
    expect(results.map(({ views }) => views['by_pair']!.found)).toEqual(
      entities.map((_, n) => expected[(n * 5) % kinds.length]! > 0),
    );
  });

  it('a service of views with different keys takes all of them, and asks for all of them', async () => {
    const { status, answer } = await post({ service: 'both', entity: good });
    expect(status).toBe(200);
    expect(Object.keys((answer as FeaturesResponse).results[0]!.views)).toEqual(['by_pair', 'by_shop']);
    const missing = await post({ service: 'both', entity: { shop: 'north' } });
    expect([missing.status, missing.answer['code']]).toEqual([400, 'invalid-key']);
  });

  it('keys of every type in the spellings that docs/values.md gives, and no other', async () => {
    const key = {
      flag: true,
      day: '2001-06-01',
      price: '1.50',
      big: '9223372036854775807',
      kind: 'x',
      moment: '2001-06-01T00:00:00Z',
    };
    const same = [
      key,
      { ...key, price: '1.5' },
      { ...key, moment: '2001-06-01T02:00:00.000000+02:00' },
      { ...key, moment: '2001-05-31T20:00:00-04:00' },
    ];
    expect(await counts('by_typed', same)).toEqual([6, 6, 6, 6]);
    const others = [
      { ...key, flag: 'true' },
      { ...key, day: '2001-06-01T00:00:00Z' },
      { ...key, price: 1.5 },
      { ...key, price: '1.505' },
      { ...key, big: 2 ** 63 },
      { ...key, kind: 'X' },
      { ...key, moment: '2001-06-01T00:00:00' },
      { ...key, moment: 991_353_600_000 },
    ];
    for (const other of others) {
      const { status, answer } = await post({ features: ['by_typed'], entity: other });
      expect([other, status, answer['code']]).toEqual([other, 400, 'invalid-key']);
    }
  });
});
