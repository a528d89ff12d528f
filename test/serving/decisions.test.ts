import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import { z } from 'zod';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import type { Definitions } from '../../engine/define/compiled-view.ts';
import { decisions } from '../../engine/define/decisions.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { outcomes } from '../../engine/define/outcomes.ts';
import { source } from '../../engine/define/source.ts';
import { DecisionLog } from '../../engine/decisions/decision-log.ts';
import { installationNames } from '../../engine/installation/installation-names.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { type RunningApi, startApi } from '../../serving/start-api.ts';
import { runCli } from '../cli/run-cli.ts';
import { saidRecords } from '../decisions/said-records.ts';
import { type KafkaFixture, openKafka } from '../kafka/kafka-fixture.ts';
import { fixedClock, NOW_US } from '../online/online-fixture.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';
import { ScriptedWriter } from '../served/scripted-writer.ts';

let database: OwnDatabase;
let kafka: KafkaFixture;
let definitions: Definitions;
let api: RunningApi;

beforeAll(async () => {
  kafka = await openKafka(inject('stack').kafkaBrokers);
  for (const topic of ['http-offers', 'http-clicks']) await kafka.createTopic(topic, 2);
  database = await createOwnDatabase(inject('stack').databaseUrl);
  await migrateToLatest(database.pool);
  definitions = await compileDefinitions(
    definitionsInMemory(
      [
        decisions('offers', {
          context: z.object({ shop: z.string(), total: z.int64().optional() }),
          topic: 'http-offers',
        }),
        outcomes('clicks', { value: z.boolean(), topic: 'http-clicks' }),
        source('sales', { schema: z.object({ at: z.iso.datetime() }), eventTime: 'at', topic: 'sales' }),
      ],
      '/',
    ),
  );
  api = await startApi({
    pool: database.pool,
    clock: fixedClock,
    definitions,
    decisions: { kafka: { brokers: inject('stack').kafkaBrokers }, flushMs: 1 },
  });
});
afterAll(async () => {
  await api.close();
  await kafka.close();
  await database.drop();
});

const offer = {
  request_ids: [],
  reads: [],
  acted: true,
  action: 'none',
  alternatives: [],
  more_alternatives: 0,
  context: { shop: 'north' },
};

interface Answer {
  readonly status: number;
  readonly body: { readonly results: Record<string, unknown>[] } & Record<string, unknown>;
}

async function post(
  path: string,
  body: unknown,
  { url, token }: { url: string; token?: string } = api,
): Promise<Answer> {
  const response = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as Answer['body'] };
}

describe('decisions and outcomes over HTTP', () => {
  test('are taken at once, each by itself, and lie on their topics', async () => {
    const { status, body } = await post('/v1/decisions/offers', [
      {
        ...offer,
        decision_id: 'd-1',
        decided_at: '2001-06-10T11:00:00Z',
        context: { shop: 'süd', total: '9007199254740993' },
      },
      { ...offer, decision_id: 'd-2', propensity: 0 },
      offer,
    ]);
    expect(status).toBe(202);
    const [, , last] = body.results;
    expect(body.results).toEqual([
      { id: 'd-1' },
      { reasons: ['propensity: expected a number above 0 and at most 1, received 0'] },
      { id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/) as string },
    ]);
    const came = await post('/v1/outcomes/clicks?wait=true', [{ decision_id: 'd-1', name: 'click', value: true }]);
    expect(came).toMatchObject({ status: 200, body: { results: [{ id: expect.any(String) as string }] } });
    // The same once more: it counts once.
    const again = { ...offer, decision_id: 'd-1', decided_at: '2001-06-10T11:00:00Z' };
    expect(await post('/v1/decisions/offers?wait=true', [again])).toEqual({
      status: 200,
      body: { results: [{ id: 'd-1' }] },
    });
    const { rows, invalid } = await saidRecords(kafka.reader, definitions.sources.get('offers')!);
    expect(invalid).toEqual([]);
    expect(rows.map((row) => [row['decision_id'], row['decided_at']]).toSorted()).toEqual(
      [
        ['d-1', NOW_US - 3_600_000_000],
        [last!['id'], NOW_US],
      ].toSorted(),
    );
    expect(rows.find((row) => row['decision_id'] === 'd-1')?.['context']).toEqual({
      shop: 'süd',
      total: 9007199254740993n,
    });
    const { rows: clicks } = await saidRecords(kafka.reader, definitions.sources.get('clicks')!);
    expect(clicks).toMatchObject([{ decision_id: 'd-1', value: true, occurred_at: NOW_US, known_at: null }]);

    const metrics = await (await fetch(`${api.url}/metrics`)).text();
    expect(metrics).toContain('millrace_decisions_sent_total{source="offers"} 3');
    expect(metrics).toContain('millrace_decisions_dropped_total{source="offers",reason="invalid"} 1');
    expect(metrics).toContain('millrace_decisions_buffered{source="clicks"} 0');
    expect(metrics).toContain('millrace_http_requests_total{route="/v1/decisions/:name",status="202"} 1');
  });

  test.each([
    ['what is no list', '/v1/decisions/offers', offer, 400, 'invalid-request'],
    ['an empty one', '/v1/decisions/offers', [], 400, 'invalid-request'],
    ['records that are none', '/v1/decisions/offers', [1], 400, 'invalid-request'],
    ['only wrong ones', '/v1/decisions/offers', [{ ...offer, acted: false }], 400, 'invalid-decision'],
    ['another wait', '/v1/decisions/offers?wait=1', [offer], 400, 'invalid-request'],
    ['a source that is not there', '/v1/decisions/nothing', [offer], 404, 'unknown-source'],
    ['one of outcomes', '/v1/decisions/clicks', [offer], 404, 'unknown-source'],
    ['one of other events', '/v1/decisions/sales', [offer], 404, 'unknown-source'],
  ])('refuses %s by name', async (_, path, body, status, code) => {
    expect(await post(path, body)).toMatchObject({ status, body: { code } });
  });

  test('decisions-not-configured: a server that was told of no place for them', async () => {
    const other = await startApi({ pool: database.pool, definitions });
    const answer = await post('/v1/decisions/offers', [offer], other);
    expect(answer).toMatchObject({ status: 404, body: { code: 'decisions-not-configured' } });
    await other.close();
  });

  test('decisions-dropped: no room for any; with some room the rest is told as dropped, and of those that wait what became of them', async () => {
    const writer = new ScriptedWriter();
    writer.otherwise = 'silent';
    const common = { clock: fixedClock, installation: installationNames(), logId: 'log', flushMs: 1, closeForMs: 10 };
    const log = new DecisionLog({ ...common, writer, maxBuffered: 2 });
    const own = await startApi({ pool: database.pool, definitions, decisions: log });
    const one = (id: string): object => ({ ...offer, decision_id: id });
    const awaited = post('/v1/decisions/offers?wait=true', [one('a'), { ...offer, propensity: 2 }], own);
    await vi.waitFor(() => expect(log.figures.sources['offers']?.buffered).toBe(1), 60_000);
    expect(await post('/v1/decisions/offers', [one('b'), one('c')], own)).toEqual({
      status: 202,
      body: { results: [{ id: 'b' }, { id: 'c', dropped: 'buffer-full' }] },
    });
    expect(await post('/v1/decisions/offers', [one('d')], own)).toMatchObject({
      status: 503,
      body: { code: 'decisions-dropped', message: expect.stringContaining('[0] dropped (buffer-full)') as string },
    });
    // What will never be taken is told apart from what may be sent again.
    expect(await post('/v1/decisions/offers', [one('e'), { ...offer, propensity: 2 }], own)).toMatchObject({
      status: 503,
      body: {
        code: 'decisions-dropped',
        message: expect.stringMatching(
          /\[0\] dropped \(buffer-full\), \[1\] propensity: expected a number above 0 and at most 1, received 2/,
        ) as string,
        remedy: expect.stringContaining('1 of them break the contract') as string,
      },
    });
    await log.close();
    expect(await awaited).toMatchObject({
      status: 503,
      body: {
        code: 'decisions-dropped',
        message: expect.stringMatching(/\[0\] dropped \(send-failed\), \[1\] propensity: /) as string,
      },
    });
    await own.close();
  });

  test('a body without a length costs what the longest does', async () => {
    const writer = new ScriptedWriter();
    const common = { clock: fixedClock, installation: installationNames(), logId: 'log', flushMs: 1, closeForMs: 10 };
    const log = new DecisionLog({ ...common, writer });
    const own = await startApi({
      pool: database.pool,
      clock: { ...fixedClock, monotonicMs: () => 0 },
      definitions,
      decisions: log,
      access: { auth: 'open', perProcess: { bytesPerS: 1 << 20 } },
    });
    const sent = async (body: string | ReadableStream): Promise<number> => {
      const response = await fetch(`${own.url}/v1/decisions/offers`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
        duplex: 'half',
      });
      await response.arrayBuffer();
      return response.status;
    };
    const text = JSON.stringify([offer]);
    expect([await sent(text), await sent(text), await sent(text)]).toEqual([202, 202, 202]);
    const streamed = (): ReadableStream => new Blob([text]).stream();
    // Two seconds' worth is saved up, and the clock stands.
    expect([await sent(streamed()), await sent(streamed()), await sent(streamed())]).toEqual([202, 202, 429]);
    await log.close();
    await own.close();
  });

  test('gives the schema of a record, and a token says what its scope covers', async () => {
    const guarded = await startApi({ databaseUrl: database.url, definitions, access: { auth: 'tokens' } });
    const made = await runCli(['token', 'create', 'shop', '--json', '--scope', 'write:offers'], {
      DATABASE_URL: database.url,
    });
    const { token } = JSON.parse(made.stdout) as { token: string };
    const schema = (name: string): Promise<Response> =>
      fetch(`${guarded.url}/v1/schemas/${name}`, { headers: { authorization: `Bearer ${token}` } });
    expect(await (await schema('offers')).json()).toMatchObject({ title: 'offers', type: 'object' });
    expect((await schema('clicks')).status).toBe(403);
    expect(await post('/v1/outcomes/clicks', [{}], { url: guarded.url, token })).toMatchObject({
      status: 403,
      body: { code: 'forbidden' },
    });
    expect(await post('/v1/decisions/offers', [{}], { url: guarded.url, token })).toMatchObject({ status: 404 });
    expect((await post('/v1/decisions/offers', [{}], { url: guarded.url })).status).toBe(401);
    await guarded.close();
  });
});
