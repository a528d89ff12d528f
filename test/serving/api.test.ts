import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { createClient } from '../../engine/online/client.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { insertAudit } from '../../engine/postgres/parity-audits.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import type { FeaturesResponse } from '../../serving/api-schemas.ts';
import { jsonTree } from '../../engine/values/composite-text.ts';
import { type RunningApi, startApi } from '../../serving/start-api.ts';
import { compiled, fixedClock, NOW_US, productSales, publish, sale, shopSales } from '../online/online-fixture.ts';
import { carriedValues } from '../online/carried-values.ts';
import { asCarried, exactText, expectedText } from '../online/sql-values-as-text.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';
import { plainBlocks } from '../define/plain-blocks.ts';

let database: OwnDatabase;
let api: RunningApi;
let products: CompiledView;
const rows = Array.from({ length: 300 }, (_, n) => sale(n));

beforeAll(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl);
  await migrateToLatest(database.pool);
  const [first, second] = (await compiled(productSales, shopSales)) as [CompiledView, CompiledView];
  products = first;
  await publish(database.pool, first, rows);
  await publish(database.pool, second, rows);
  api = await startApi({
    databaseUrl: database.url,
    clock: fixedClock,
    definitions: { services: new Map([['sales_model', { blocks: plainBlocks([first, second]) }]]) },
  });
});
afterAll(async () => {
  await api.close();
  await database.drop();
});

async function post(
  body: unknown,
  headers: Record<string, string> = { 'content-type': 'application/json' },
): Promise<Response> {
  return fetch(`${api.url}/v1/features`, {
    method: 'POST',
    headers,
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

async function read(body: unknown): Promise<FeaturesResponse> {
  const response = await post(body);
  expect(response.status).toBe(200);
  return (await response.json()) as FeaturesResponse;
}

describe('POST /v1/features', () => {
  it('answers as the typed client, the SQL view and the SQL function do, to the bit', async () => {
    const client = createClient({ pool: database.pool, clock: fixedClock });
    const { features } = products.layout;
    for (const [at, atUs] of [
      ['2001-06-10T12:00:00Z', NOW_US],
      ['2001-06-11T14:00:00.000001+01:00', NOW_US + 25 * 3_600_000_000 + 1],
    ] as const) {
      const key = { shop: 'süd', number: 3_000_000_000_000_000n };
      const typed = await client.get(productSales, key, { at: atUs });
      const [result] = (
        await read({ features: ['product_sales'], entity: { shop: 'süd', number: '3000000000000000' }, at })
      ).results;
      const http = result?.views['product_sales'];
      const values = carriedValues(features, typed.values);
      expect(http?.values).toEqual(
        Object.fromEntries(features.map((feature, index) => [feature.name, jsonTree(feature.result, values[index]!)])),
      );
      expect(http).toMatchObject({ found: true, ahead: false, seq: 0, version: 1 });
      const columns = features.map((feature) => exactText(feature.result, feature.name)).join(', ');
      const where = 'WHERE shop = $1 AND number = $2';
      const { rows: byFunction } = await database.pool.query<(string | null)[]>({
        text: `SELECT ${columns} FROM millrace.product_sales_at($3) ${where}`,
        values: ['süd', 3_000_000_000_000_000n, at],
        rowMode: 'array',
      });
      expect(byFunction.map((row) => row.map((text, index) => asCarried(features[index]!.result, text)))).toEqual([
        values.map((value, index) => expectedText(features[index]!.result, value)),
      ]);
    }
    // The view is about now; by now every window is empty, and it still agrees.
    const { rows: byView } = await database.pool.query<(string | null)[]>({
      text: `SELECT ${exactText({ kind: 'timestamp' }, 'as_of')}, ${features.map((feature) => exactText(feature.result, feature.name)).join(', ')} FROM millrace.product_sales WHERE shop = 'north' AND number = 0`,
      rowMode: 'array',
    });
    const [asOf, ...shown] = byView[0]!;
    const now = await client.get(productSales, { shop: 'north', number: 0n }, { at: Number(asOf) });
    expect(shown.map((text, index) => asCarried(features[index]!.result, text))).toEqual(
      carriedValues(features, now.values).map((value, index) => expectedText(features[index]!.result, value)),
    );
  });

  it('reads a service for many entities, in their order, unknown ones included', async () => {
    const entities = Array.from({ length: 100 }, (_, n) => ({
      shop: ['north', 'süd', 'nowhere'][n % 3],
      number: String(BigInt(n % 5) * 3_000_000_000_000_000n),
    }));
    const { results } = await read({ service: 'sales_model', entities });
    expect(results.map(({ entity }) => entity)).toEqual(entities);
    expect(results.map(({ views }) => [views['product_sales']?.found, views['shop_sales']?.found])).toEqual(
      entities.map(({ shop }) => [shop !== 'nowhere', shop !== 'nowhere']),
    );
    expect(results[2]?.views['shop_sales']).toEqual({
      values: { sales_1d: 0, last_channel: null },
      errors: null,
      found: false,
      as_of: '2001-06-10T12:00:00.000000Z',
      ahead: false,
      seq: null,
      version: 1,
      freshness_ms: results[0]?.views['shop_sales']?.freshness_ms,
      tags: null,
    });
  });

  it('reads single features, in the order asked', async () => {
    const { results } = await read({
      features: ['shop_sales.last_channel', 'product_sales.total_last', 'shop_sales.sales_1d'],
      entity: { shop: 'north', number: '0' },
    });
    const views = results[0]!.views;
    expect(Object.keys(views)).toEqual(['shop_sales', 'product_sales']);
    expect(Object.keys(views['shop_sales']!.values)).toEqual(['last_channel', 'sales_1d']);
    expect(typeof views['product_sales']!.values['total_last']).toBe('string');
  });

  it('refuses by name what is wrong', async () => {
    const entity = { shop: 'north', number: '0' };
    const cases: [unknown, number, string, RegExp][] = [
      [{ features: ['product_sales.nope'], entity }, 400, 'unknown-feature', /nope/],
      [{ features: ['nope'], entity }, 400, 'unknown-view', /nope/],
      [{ features: ['a.b.c'], entity }, 400, 'unknown-feature', /a\.b\.c/],
      [{ service: 'nope', entity }, 400, 'unknown-service', /nope.*sales_model/],
      [
        { features: ['product_sales'], entity: { shop: 'north', number: 'x' } },
        400,
        'invalid-key',
        /"number": expected a 64-bit integer, received "x"/,
      ],
      [{ features: ['product_sales'], entity: { shop: 'north' } }, 400, 'invalid-key', /"number".*nothing/],
      [
        { features: ['product_sales'], entity: { shop: null, number: '0' } },
        400,
        'invalid-key',
        /"shop": expected text, received null/,
      ],
      [{ features: ['product_sales'], entity: { ...entity, colour: 1 } }, 400, 'invalid-key', /colour/],
      [{ features: ['product_sales'], entity, at: '2001-06-10' }, 400, 'invalid-time', /2001-06-10/],
      [{ features: ['product_sales'] }, 400, 'invalid-request', /entity/],
      [{ entity }, 400, 'invalid-request', /service/],
      [{ features: ['product_sales'], service: 'sales_model', entity }, 400, 'invalid-request', /service/],
      [{ features: [], entity }, 400, 'invalid-request', /features/],
      [{ features: ['product_sales'], entities: [] }, 400, 'invalid-request', /entities/],
      [{ features: ['product_sales'], entity, colour: 1 }, 400, 'invalid-request', /colour/],
      ['{"features": [', 400, 'invalid-request', /./],
      [`{"features": ["${'x'.repeat(1_100_000)}"]}`, 413, 'body-too-large', /1048576/],
    ];
    for (const [body, status, code, message] of cases) {
      const response = await post(body);
      const answer = (await response.json()) as { code: string; message: string; remedy: string };
      expect([response.status, answer.code, message.test(answer.message) || answer.message]).toEqual([
        status,
        code,
        true,
      ]);
      expect(answer.remedy).not.toBe('');
    }
    const untyped = await post({ features: ['product_sales'], entity }, { 'content-type': 'text/plain' });
    expect(untyped.status).toBe(415);
    const nothing = await fetch(`${api.url}/v2`);
    expect([nothing.status, ((await nothing.json()) as { code: string }).code]).toEqual([404, 'not-found']);
  });
});

describe('the other routes', () => {
  it('lists the views', async () => {
    const { views } = (await (await fetch(`${api.url}/v1/views`)).json()) as { views: Record<string, unknown>[] };
    expect(views.map((view) => view['view'])).toEqual(['product_sales', 'shop_sales']);
    expect(views[1]).toMatchObject({
      version: 1,
      entity: 'shop',
      keys: [{ name: 'shop', type: 'string' }],
      features: [
        { name: 'sales_1d', aggregate: 'count', type: 'int', nullable: false, window_us: 86_400_000_000, ago_us: 0 },
        { name: 'last_channel', aggregate: 'last', type: 'enum', nullable: true, window_us: null, default: null },
      ],
      lag: 0,
      entities: new Set(rows.map((row) => row['shop'])).size,
      entities_estimated: false,
    });
    // As they stand among values: exact types as text.
    const { features } = views[0] as { features: { name: string; default: unknown }[] };
    const defaults = Object.fromEntries(features.map((feature) => [feature.name, feature.default]));
    expect(defaults).toMatchObject({ price_or_1m: '-0.50', weight_or_1m: -1e-7, paid_or_1m: false, sales_1d: null });
  });

  it('lists entities, sources and services', async () => {
    const listed = async (path: string): Promise<unknown> => (await fetch(`${api.url}/v1/${path}`)).json();
    const keys = [
      { name: 'shop', type: 'string' },
      { name: 'number', type: 'int64' },
    ];
    expect(await listed('entities')).toEqual({
      entities: [
        { entity: 'product', keys, views: ['product_sales'] },
        { entity: 'shop', keys: keys.slice(0, 1), views: ['shop_sales'] },
      ],
    });
    expect(await listed('sources')).toEqual({
      sources: [{ source: 'sales', topic: 'sales', views: ['product_sales', 'shop_sales'] }],
    });
    expect(await listed('services')).toEqual({
      services: [
        {
          service: 'sales_model',
          views: ['product_sales', 'shop_sales'],
          blocks: [
            { name: 'product_sales', view: 'product_sales', keys: { shop: 'shop', number: 'number' } },
            { name: 'shop_sales', view: 'shop_sales', keys: { shop: 'shop' } },
          ],
          request: [],
          derived: [],
        },
      ],
    });
  });

  it('tells its metrics', async () => {
    await read({ features: ['shop_sales'], entities: [{ shop: 'north' }, { shop: 'nowhere' }] });
    const startedAtUs = NOW_US - 90_000_000;
    const audit = {
      view: 'shop_sales',
      version: 1,
      fingerprint: 'f',
      kind: 'audit',
      seq: 0,
      entities: 3,
      reads: 0,
    } as const;
    const figures = {
      ...audit,
      cellsCompared: 6,
      skipped: {},
      causes: {},
      startedAtUs,
      finishedAtUs: NOW_US - 60_000_000,
    };
    await insertAudit(database.pool, { ...figures, verdict: 'equal', cellsDiffering: 0 }, []);
    await insertAudit(database.pool, { ...figures, verdict: 'broken', cellsDiffering: 2 }, []);
    await database.pool.query(
      `INSERT INTO millrace_catalog.kept_size (kind, view, version, rows, bytes, dropped_rows)
       VALUES ('commits', 'shop_sales', 1, 10, 1000, 4), ('commits', 'shop_sales', 2, 1, 100, 0), ('dead-letters', 'shop_sales', 1, 2, 300, 5)`,
    );
    await database.pool.query(
      `INSERT INTO millrace_catalog.archive_offset (source, topic, partition, cluster_id, first_offset, next_offset, end_offset, generation, attempt_ms, updated_at)
       VALUES ('sales', 't', 0, 'c', 0, 10, 15, 1, 1, to_timestamp($1)), ('sales', 't', 1, 'c', 0, 10, 10, 1, 1, to_timestamp($1 - 60))`,
      [NOW_US / 1_000_000 - 30],
    );
    await database.pool.query(
      `INSERT INTO millrace_catalog.archive_hole (source, topic, partition, from_offset, until_offset, reason)
       VALUES ('sales', 't', 0, 0, 3, 'retention'), ('sales', 't', 1, 5, 9, 'retention')`,
    );
    const text = await (await fetch(`${api.url}/metrics`)).text();
    expect(text).toMatch(/millrace_archive_lag_records\{source="sales"\} 5\n/);
    expect(text).toMatch(/millrace_archive_holes\{source="sales"\} 2\n/);
    expect(text).toMatch(/millrace_archive_lost_offsets\{source="sales"\} 7\n/);
    expect(text).toMatch(/millrace_archive_age_seconds\{source="sales"\} 30\n/);
    expect(text).toMatch(/millrace_view_kept_bytes\{view="shop_sales",kind="commits"\} 1100\n/);
    expect(text).toMatch(/millrace_view_kept_bytes\{view="shop_sales",kind="dead-letters"\} 300\n/);
    expect(text).toMatch(/millrace_view_expired_rows\{view="shop_sales"\} 0\n/);
    expect(text).toMatch(/millrace_view_dropped_rows\{view="shop_sales",kind="dead-letters"\} 5\n/);
    expect(text).toMatch(/millrace_parity_cells_compared\{view="shop_sales"\} 6/);
    expect(text).toMatch(/millrace_parity_cells_differing\{view="shop_sales"\} 2/);
    expect(text).toMatch(/millrace_parity_audit_age_seconds\{view="shop_sales"\} 60\n/);
    expect(text).toMatch(/millrace_reads_total\{view="shop_sales",found="true"\} \d+/);
    expect(text).toMatch(/millrace_reads_total\{view="shop_sales",found="false"\} \d+/);
    expect(text).toMatch(/millrace_http_requests_total\{route="\/v1\/features",status="200"\} \d+/);
    expect(text).toMatch(/millrace_view_lag_records\{view="shop_sales"\} 0/);
    expect(text).toMatch(/millrace_view_freshness_seconds\{view="shop_sales"\} \d/);
    expect(text).toMatch(/millrace_view_dead_letters\{view="shop_sales"\} 7\n/);
    expect(text).toMatch(/millrace_view_commit_age_seconds\{view="shop_sales"\} [\d.]+\n/);
    expect(text).toMatch(/millrace_view_records\{view="shop_sales",outcome="applied"\} [1-9]\d*\n/);
    expect(text).toMatch(/millrace_database_up 1/);
    // Of a database that no worker has migrated yet it tells what is there.
    await database.pool.query('ALTER TABLE millrace_catalog.kept_size RENAME TO not_yet');
    const before = await (await fetch(`${api.url}/metrics`)).text();
    await database.pool.query('ALTER TABLE millrace_catalog.not_yet RENAME TO kept_size');
    expect(before).toMatch(/millrace_database_up 1/);
    expect(before).not.toContain('millrace_view_kept_bytes{');
  });

  it('describes itself', async () => {
    const document = (await (await fetch(`${api.url}/openapi.json`)).json()) as {
      openapi: string;
      paths: Record<string, unknown>;
      components: { schemas: { ViewRead: unknown } };
    };
    expect(document.openapi).toBe('3.1.0');
    expect(Object.keys(document.paths).sort()).toEqual([
      '/healthz',
      '/readyz',
      '/v1/alerts',
      '/v1/alerts/{id}/acknowledge',
      '/v1/alerts/{id}/silence',
      '/v1/decisions/{name}',
      '/v1/entities',
      '/v1/events',
      '/v1/features',
      '/v1/models',
      '/v1/models/{name}',
      '/v1/models/{name}/file',
      '/v1/outcomes/{name}',
      '/v1/rollouts/{model}',
      '/v1/schemas/{name}',
      '/v1/services',
      '/v1/sources',
      '/v1/variants/{model}',
      '/v1/views',
    ]);
    expect(JSON.stringify(document.paths['/v1/features'])).toContain('"409"');
    expect(document.components.schemas).toMatchObject({
      EntityWithRequest: { required: ['keys'], properties: { request: { type: 'object' } } },
      DerivedRead: { required: ['values', 'errors'] },
    });
    expect(document.components.schemas.ViewRead).toMatchObject({
      properties: { errors: { type: ['object', 'null'], additionalProperties: { type: 'string' } } },
      required: expect.arrayContaining(['values', 'errors', 'found']) as string[],
    });
  });

  it('is healthy and ready, and not ready without a database', async () => {
    expect((await fetch(`${api.url}/healthz`)).status).toBe(200);
    expect((await fetch(`${api.url}/readyz`)).status).toBe(200);
    const pool = createPool('postgres://postgres@127.0.0.1:1/none');
    const alone = await startApi({ pool });
    expect((await fetch(`${alone.url}/healthz`)).status).toBe(200);
    const ready = await fetch(`${alone.url}/readyz`);
    expect([ready.status, ((await ready.json()) as { code: string }).code]).toEqual([503, 'service-unreachable']);
    expect(await (await fetch(`${alone.url}/metrics`)).text()).toMatch(/millrace_database_up 0/);
    await expect(startApi({ pool, port: Number(new URL(alone.url).port) })).rejects.toMatchObject({
      code: 'address-in-use',
    });
    await alone.close();
    await alone.close();
    await expect(fetch(`${alone.url}/healthz`)).rejects.toThrow('fetch failed');
    await pool.end();
  });
});
