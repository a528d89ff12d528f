import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { parseJson } from '../../engine/values/parse-json.ts';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { createServingLog } from '../../engine/served/create-serving-log.ts';
import type { ServingLog } from '../../engine/served/serving-log.ts';
import type { FeaturesResponse } from '../../serving/api-schemas.ts';
import { type RunningApi, startApi } from '../../serving/start-api.ts';
import { freePort } from '../../stack/free-port.ts';
import { type KafkaFixture, openKafka } from '../kafka/kafka-fixture.ts';
import { compiled, fixedClock, NOW_US, productSales, publish, sale, shopSales } from '../online/online-fixture.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';
import { loggedReads } from '../served/logged-reads.ts';
import { plainBlocks } from '../define/plain-blocks.ts';

/** Waits for a condition; the limit only ends a test that hangs. */
const eventually = (check: () => void): Promise<void> => vi.waitFor(check, 60_000);

const TOPIC = 'api-served';
let database: OwnDatabase;
let kafka: KafkaFixture;
let servingLog: ServingLog;
let api: RunningApi;
let views: CompiledView[];

beforeAll(async () => {
  const brokers = inject('stack').kafkaBrokers;
  kafka = await openKafka(brokers);
  await kafka.createTopic(TOPIC, 3);
  database = await createOwnDatabase(inject('stack').databaseUrl);
  await migrateToLatest(database.pool);
  views = await compiled(productSales, shopSales);
  for (const view of views)
    await publish(
      database.pool,
      view,
      Array.from({ length: 100 }, (_, n) => sale(n)),
    );
  servingLog = createServingLog({ kafka: { brokers }, topic: TOPIC, sample: 1, clock: fixedClock, flushMs: 1 });
  const services = new Map([
    ['sales_model', { blocks: plainBlocks(views) }],
    ['quiet_model', { blocks: plainBlocks(views), servingLog: 0 }],
  ]);
  api = await startApi({ pool: database.pool, clock: fixedClock, definitions: { services }, servingLog });
});
afterAll(async () => {
  await api.close();
  await servingLog.close();
  await kafka.close();
  await database.drop();
});

function post(url: string, body: unknown, requestId?: string): Promise<Response> {
  return fetch(`${url}/v1/features`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(requestId === undefined ? {} : { 'x-request-id': requestId }) },
    body: JSON.stringify(body),
  });
}

async function logged(requestId: string) {
  await eventually(() => expect(servingLog.figures.buffered).toBe(0));
  return loggedReads(kafka.reader, TOPIC, { requestIds: new Set([requestId]) });
}

const entity = { shop: 'süd', number: '3000000000000000' };

describe('POST /v1/features', () => {
  it('names the request, in body and header, and logs what it answers', async () => {
    const entities = [entity, { shop: 'nowhere', number: '1' }];
    const response = await post(api.url, { service: 'sales_model', entities, at: '2030-01-01T00:00:00Z' }, 'req/1:a');
    const body = (await response.json()) as FeaturesResponse;
    expect([response.status, body.request_id, response.headers.get('x-request-id')]).toEqual([
      200,
      'req/1:a',
      'req/1:a',
    ]);
    const reads = await logged('req/1:a');
    expect(reads).toHaveLength(4);
    for (const [index, { views: answers }] of body.results.entries()) {
      for (const [view, answer] of Object.entries(answers)) {
        const key = view === 'shop_sales' ? { shop: entities[index]!.shop } : entities[index];
        const read = reads.find((one) => one.view === view && one.entityJson === JSON.stringify(key));
        expect(read).toMatchObject({
          service: 'sales_model',
          version: answer.version,
          fingerprint: views.find(({ name }) => name === view)?.fingerprint,
          found: answer.found,
          ahead: answer.ahead,
          seq: answer.seq,
          servedAtUs: NOW_US,
          asOfUs: Date.parse(answer.as_of) * 1000,
        });
        // A map's order means nothing: JavaScript puts keys that look like indexes first.
        expect(parseJson(read!.valuesJson)).toEqual(answer.values);
      }
    }
  });

  it('makes an id where none is given', async () => {
    const asked = await Promise.all(
      [1, 2].map(() => post(api.url, { features: ['shop_sales'], entity: { shop: 'a' } })),
    );
    const ids = await Promise.all(
      asked.map(async (response) => {
        const { request_id: id } = (await response.json()) as FeaturesResponse;
        expect(response.headers.get('x-request-id')).toBe(id);
        return id;
      }),
    );
    expect(new Set(ids).size).toBe(2);
    for (const id of ids) expect(await logged(id)).toHaveLength(1);
  });

  it('logs only the features that were asked for', async () => {
    const features = ['shop_sales.last_channel', 'product_sales.total_last', 'product_sales.sales_1d'];
    const response = await post(api.url, { features, entity }, 'subset');
    const { results } = (await response.json()) as FeaturesResponse;
    const reads = await logged('subset');
    expect(reads.map(({ view, service, features: named }) => [view, service, named]).sort()).toEqual([
      ['product_sales', null, ['total_last', 'sales_1d']],
      ['shop_sales', null, ['last_channel']],
    ]);
    for (const { view, valuesJson } of reads) expect(valuesJson).toBe(JSON.stringify(results[0]!.views[view]!.values));
  });

  it('logs of a service what its definition says, and nothing of a request that fails', async () => {
    expect((await post(api.url, { service: 'quiet_model', entity }, 'quiet')).status).toBe(200);
    const failed = await post(api.url, { features: ['shop_sales', 'nope'], entity }, 'failed');
    // A refusal names the request too.
    expect([failed.status, failed.headers.get('x-request-id')]).toEqual([400, 'failed']);
    expect(await logged('quiet')).toEqual([]);
    expect(await logged('failed')).toEqual([]);
  });

  it('refuses an id that could not be logged as it is', async () => {
    for (const requestId of ['two words', 'x'.repeat(129), 'caf\u00e9', 'sent, twice']) {
      const response = await post(api.url, { features: ['shop_sales'], entity: { shop: 'a' } }, requestId);
      const { code } = (await response.json()) as { code: string };
      expect([response.status, code]).toEqual([400, 'invalid-request-id']);
    }
  });

  it('answers as ever where no Kafka listens; the close is bounded', async () => {
    const away = await startApi({
      pool: database.pool,
      clock: fixedClock,
      servingLog: {
        kafka: { brokers: [`127.0.0.1:${await freePort()}`] },
        sample: 1,
        maxBuffered: 5,
        closeForMs: 50,
        onDrop: () => undefined,
      },
    });
    for (let n = 0; n < 20; n++) {
      const answers = await Promise.all(
        [away.url, api.url].map(async (url) => {
          const response = await post(url, { features: ['product_sales'], entity }, `same-${n}`);
          return (await response.json()) as FeaturesResponse;
        }),
      );
      expect(answers[0]).toEqual(answers[1]);
    }
    const text = await (await fetch(`${away.url}/metrics`)).text();
    expect(text).toMatch(/millrace_served_reads_logged_total 0/);
    expect(text).toMatch(/millrace_served_reads_dropped_total\{reason="buffer-full"\} 15/);
    expect(text).toMatch(/millrace_served_reads_buffered 5/);
    await away.close();
  });
});

it('tells the log in its metrics, and only where there is one', async () => {
  await eventually(() => expect(servingLog.figures.buffered).toBe(0));
  const text = await (await fetch(`${api.url}/metrics`)).text();
  expect(text).toContain(`millrace_served_reads_logged_total ${servingLog.figures.logged}\n`);
  expect(servingLog.figures.logged).toBeGreaterThan(0);
  for (const reason of ['buffer-full', 'too-large', 'send-failed', 'closed'])
    expect(text).toContain(`millrace_served_reads_dropped_total{reason="${reason}"} 0\n`);
  expect(text).toContain('millrace_served_reads_buffered 0\n');
  const without = await startApi({ pool: database.pool });
  expect(await (await fetch(`${without.url}/metrics`)).text()).not.toContain('millrace_served');
  await without.close();
});

it('documents the request id', async () => {
  const document = (await (await fetch(`${api.url}/openapi.json`)).json()) as {
    paths: Record<
      string,
      {
        post: {
          parameters: { name: string; in: string; required?: boolean }[];
          responses: Record<string, { headers?: object }>;
        };
      }
    >;
    components: { schemas: Record<string, { properties: object; required: string[] }> };
  };
  const { parameters, responses } = document.paths['/v1/features']!.post;
  expect(parameters).toMatchObject([{ name: 'x-request-id', in: 'header' }]);
  expect(parameters[0]!.required ?? false).toBe(false);
  expect(Object.keys(responses['200']!.headers ?? {})).toEqual(['x-request-id']);
  expect(document.components.schemas['FeaturesResponse']!.required).toContain('request_id');
});
