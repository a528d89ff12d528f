/** What the API derives is what the version of the service says that is served, by its own code, whatever definitions the API was started with. */
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { applyDefinitions } from '../../engine/bundles/apply-definitions.ts';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import type { Definitions } from '../../engine/define/compiled-view.ts';
import { importDefinitions } from '../../engine/define/import-definitions.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { type RunningApi, startApi } from '../../serving/start-api.ts';
import { writeProject } from '../define/code-of.ts';
import { publish } from '../online/online-fixture.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';

const AT_US = 1_750_000_000_000_000;
let database: OwnDatabase;
const running: RunningApi[] = [];
beforeAll(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl);
  await migrateToLatest(database.pool);
});
afterAll(async () => {
  for (const api of running) await api.close();
  await database.drop();
});

async function definitionsOf(load: string, request = 'seats: z.int()', feature = 'f.count()'): Promise<Definitions> {
  const folder = writeProject({
    'index.ts': `import { entity, featureService, featureView, source } from 'millrace';
import { z } from 'zod';
const shop = entity('shop', { shop: z.string() });
const orders = source('orders', { schema: z.object({ at: z.iso.datetime(), shop: z.string() }), eventTime: 'at', topic: 'orders' });
export const sales = featureView('sales', { entity: shop, source: orders, features: (f) => ({ n: ${feature} }) });
export const model = featureService('model', {
  views: [sales.as('from', { shop: 'sender' })],
  ${request === '' ? '' : `request: z.object({ ${request} }),`}
  ${load === '' ? '' : `derived: (d) => ({ load: d.number(${load}) }),`}
});`,
  });
  return compileDefinitions(await importDefinitions(folder));
}
const LOAD = '({ from }, { request }) => from.n * request.seats';

async function apiOf(definitions: Definitions): Promise<RunningApi> {
  const { pool } = database;
  const api = await startApi({
    pool,
    clock: { nowUs: () => AT_US, monotonicMs: () => 0 },
    definitions,
    logLevel: 'silent',
  });
  running.push(api);
  return api;
}

async function ask(api: RunningApi, request: object): Promise<object> {
  const response = await fetch(`${api.url}/v1/features`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ service: 'model', entity: { keys: { sender: 'north' }, request } }),
  });
  const body = (await response.json()) as { results?: [{ derived?: object }]; code?: string };
  return { status: response.status, ...(body.results === undefined ? { code: body.code } : body.results[0].derived) };
}

/** The fields that the API says the service asks for. */
async function fieldsOf(api: RunningApi): Promise<string[]> {
  const response = await fetch(`${api.url}/v1/services`);
  const { services } = (await response.json()) as { services: [{ request: { name: string }[] }] };
  return services[0].request.map(({ name }) => name);
}

const load = (value: number) => ({ status: 200, values: { load: value }, errors: null });
const apply = (definitions: Definitions) =>
  applyDefinitions({ pool: database.pool, definitions, actor: 'ana@laptop' }).then(({ services }) => services);

it('is derived by the version that is served, from the moment on in which it is', async () => {
  const first = await definitionsOf(LOAD);
  const rows = ['north', 'north', 'south'].map((shop, n) => ({ at: AT_US - n - 1, shop }));
  await publish(database.pool, first.views.get('sales')!, rows);
  const second = await definitionsOf('({ from }, { request }) => from.n + request.chairs', 'chairs: z.int()');
  const [old, young] = [await apiOf(first), await apiOf(second)];

  // Nothing was applied: by what is at hand.
  expect(await ask(old, { seats: 10 })).toEqual(load(20));
  expect(await ask(young, { chairs: 10 })).toEqual(load(12));

  await apply(first);
  for (const api of [old, young]) {
    expect(await ask(api, { seats: 10 })).toEqual(load(20));
    expect(await ask(api, { chairs: 10 })).toEqual({ status: 400, code: 'invalid-request' });
  }
  await apply(second);
  for (const api of [old, young]) {
    expect(await ask(api, { chairs: 10 })).toEqual(load(12));
    expect(await ask(api, { seats: 10 })).toEqual({ status: 400, code: 'invalid-request' });
    expect(await fieldsOf(api)).toEqual(['chairs']);
  }
  // A version waits for what its views do not serve yet; until then the one before is served.
  const third = await definitionsOf('({ from }) => from.n * 1000', 'seats: z.int()', 'f.count().over("1d")');
  await apply(third);
  expect(await ask(await apiOf(third), { chairs: 10 })).toEqual(load(12));
  await publish(database.pool, third.views.get('sales')!, rows);
  for (const api of [old, young]) expect(await ask(api, { seats: 1 })).toEqual(load(2000));
});

it('a version whose code was not kept is served where its very code is at hand, else that is said; one that derives nothing has nothing', async () => {
  const fourth = await definitionsOf(
    '({ from }, { request }) => from.n - request.seats',
    undefined,
    'f.count().over("1d")',
  );
  const others = await definitionsOf(LOAD, undefined, 'f.count().over("1d")');
  await apply(fourth);
  await database.pool.query(`UPDATE millrace_catalog.service_version SET bundle = NULL, sha256 = NULL`);
  expect(await ask(await apiOf(fourth), { seats: 10 })).toEqual(load(-8));
  const other = await apiOf(others);
  expect(await ask(other, { seats: 10 })).toEqual({ status: 409, code: 'definition-changed' });
  expect(await fieldsOf(other)).toEqual(['seats']);
  // The same again keeps it.
  expect(await apply(fourth)).toEqual([]);
  expect(await ask(other, { seats: 10 })).toEqual(load(-8));

  const without = await definitionsOf('', '', 'f.count().over("1d")');
  await apply(without);
  expect(await ask(other, {})).toEqual({ status: 200 });
  expect(await fieldsOf(other)).toEqual([]);
});
