import { request } from 'node:http';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import type { FeaturesResponse } from '../../serving/api-schemas.ts';
import { type RunningApi, startApi } from '../../serving/start-api.ts';
import { compiled, fixedClock, productSales, publish, sale } from '../online/online-fixture.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';

let database: OwnDatabase;
let api: RunningApi;
const bugs: unknown[] = [];
beforeAll(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl);
  await migrateToLatest(database.pool);
  const [view] = await compiled(productSales);
  await publish(
    database.pool,
    view!,
    Array.from({ length: 50 }, (_, n) => sale(n)),
  );
  api = await startApi({ databaseUrl: database.url, clock: fixedClock, onBug: (error) => bugs.push(error) });
});
afterAll(async () => {
  await api.close();
  await database.drop();
});

const entity = { shop: 'north', number: '0' };

async function post(body: string): Promise<{ status: number; answer: Record<string, unknown> }> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(`${api.url}/v1/features`, { method: 'POST', headers, body });
  return { status: response.status, answer: (await response.json()) as Record<string, unknown> };
}

const keyed = (shop: string, number = '"0"'): string =>
  `{"features": ["product_sales"], "entity": {"shop": ${shop}, "number": ${number}}}`;

const refusals: readonly (readonly [string, string, string, RegExp])[] = [
  ['an empty body', '', 'invalid-request', /./],
  ['a blank body', ' ', 'invalid-request', /JSON/],
  ['null', 'null', 'invalid-request', /object/],
  ['a list', '[]', 'invalid-request', /object/],
  ['a number', '7', 'invalid-request', /object/],
  ['a body that is cut off', keyed('"north"').slice(0, -3), 'invalid-request', /JSON/],
  ['a view that is not there', '{"features": ["nope"], "entity": {}}', 'unknown-view', /nope/],
  [
    'a feature that is not there',
    '{"features": ["product_sales.nope"], "entity": {"shop": "north", "number": "0"}}',
    'unknown-feature',
    /nope/,
  ],
  ['a service that is not there', '{"service": "nope", "entity": {}}', 'unknown-service', /nope/],
  [
    'no keys',
    '{"features": ["product_sales"], "entity": {}}',
    'invalid-key',
    /"shop": expected text, received nothing/,
  ],
  ['a key of null', keyed('null'), 'invalid-key', /"shop": expected text, received null/],
  ['a key of a wrong type', keyed('7'), 'invalid-key', /"shop": expected text, received 7/],
  ['a list for a key', keyed('["north"]'), 'invalid-key', /"shop": expected text, received a list of 1$/],
  ['NUL in a key', keyed('"a\\u0000"'), 'invalid-key', /"shop": expected text/],
  ['half a surrogate pair in a key', keyed('"\\ud800"'), 'invalid-key', /"shop": expected text/],
  [
    'a fraction for an integer',
    keyed('"north"', '1.5'),
    'invalid-key',
    /"number": expected a 64-bit integer, received 1.5/,
  ],
  [
    'an integer beyond int64',
    keyed('"north"', '"9223372036854775808"'),
    'invalid-key',
    /"number": expected a 64-bit integer/,
  ],
  [
    'an integer that a number cannot hold',
    keyed('"north"', '9007199254740993'),
    'invalid-key',
    /"number": expected a 64-bit integer/,
  ],
  [
    'half a million nested lists in a key',
    keyed(`${'['.repeat(5e5)}${']'.repeat(5e5)}`),
    'invalid-key',
    /"shop": expected text/,
  ],
  [
    'too many entities',
    JSON.stringify({ features: ['product_sales'], entities: Array.from({ length: 1001 }, () => entity) }),
    'invalid-request',
    /entities/,
  ],
  [
    'a time without offset',
    JSON.stringify({ features: ['product_sales'], entity, at: '2001-06-10T12:00:00' }),
    'invalid-time',
    /2001-06-10T12:00:00/,
  ],
  ['a time that is none', JSON.stringify({ features: ['product_sales'], entity, at: 'soon' }), 'invalid-time', /soon/],
  ['a time of another type', JSON.stringify({ features: ['product_sales'], entity, at: 5 }), 'invalid-request', /at/],
];

it.each(refusals)('%s is refused by name', async (_, body, code, message) => {
  const { status, answer } = await post(body);
  expect(answer).toEqual({ code, message: expect.stringMatching(message), remedy: expect.stringMatching(/./) });
  expect(status).toBe(400);
  expect(String(answer['message']).length).toBeLessThan(1_000);
  expect(bugs).toEqual([]);
});

it('one bad key among many refuses the request: none of them is answered with null in silence', async () => {
  const entities = [entity, { shop: 'north', number: 'x' }, entity];
  const { status, answer } = await post(JSON.stringify({ features: ['product_sales'], entities }));
  expect([status, answer['code']]).toEqual([400, 'invalid-key']);
});

it('a body without an end is refused at the limit, not read', async () => {
  const { status, code } = await new Promise<{ status: number | undefined; code: string }>((resolve, reject) => {
    const sent = request(`${api.url}/v1/features`, { method: 'POST', headers: { 'content-type': 'application/json' } });
    let refused = false;
    sent.on('response', (response) => {
      refused = true;
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => {
        sent.destroy();
        resolve({ status: response.statusCode, code: (JSON.parse(text) as { code: string }).code });
      });
    });
    // The server closes a connection whose body it will not read.
    sent.on('error', (error) => (refused ? undefined : reject(error)));
    const more = (): void => {
      if (!refused && !sent.destroyed) sent.write('x'.repeat(100_000), () => setImmediate(more));
    };
    more();
  });
  expect([status, code]).toEqual([413, 'body-too-large']);
});

it('a time before the newest event is answered, and says that it is ahead', async () => {
  const past = await post(JSON.stringify({ features: ['product_sales'], entity, at: '1990-01-01T00:00:00Z' }));
  expect(past.status).toBe(200);
  const { results } = past.answer as FeaturesResponse;
  expect(results[0]?.views['product_sales']).toMatchObject({
    found: true,
    ahead: true,
    as_of: '1990-01-01T00:00:00.000000Z',
  });
  const now = await post(JSON.stringify({ features: ['product_sales'], entity }));
  expect((now.answer as FeaturesResponse).results[0]?.views['product_sales']).toMatchObject({
    found: true,
    ahead: false,
  });
});

it('an entity nobody has seen is no error, and says that it was not found', async () => {
  const { answer } = await post(keyed(JSON.stringify('x'.repeat(5_000))));
  expect((answer as FeaturesResponse).results[0]?.views['product_sales']).toMatchObject({
    found: false,
    ahead: false,
    seq: null,
  });
});
