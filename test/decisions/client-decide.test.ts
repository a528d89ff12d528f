import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest';
import { z } from 'zod';
import type { CompiledView, Row } from '../../engine/define/compiled-view.ts';
import { decisions } from '../../engine/define/decisions.ts';
import { featureService } from '../../engine/define/feature-service.ts';
import { outcomes } from '../../engine/define/outcomes.ts';
import { createClient } from '../../engine/online/client.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { startKafka } from '../../stack/kafka.ts';
import { temporaryDataDir } from '../../stack/test-stack.ts';
import { type KafkaFixture, openKafka } from '../kafka/kafka-fixture.ts';
import { compiled, fixedClock, NOW_US, productSales, publish, sale, shopSales } from '../online/online-fixture.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';
import { loggedReads } from '../served/logged-reads.ts';
import { compiledSource, saidRecords } from './said-records.ts';

let database: OwnDatabase;
let kafka: KafkaFixture;
let brokers: readonly string[];
let views: readonly CompiledView[];

const model = featureService('offer_model', {
  views: [productSales, shopSales],
  request: z.object({ basket: z.int64(), coupon: z.string().nullable(), seen_at: z.iso.datetime().optional() }),
  derived: (f) => ({
    basket_text: f.string((_, { request }) => `${request.basket}`),
    broken: f.number(() => {
      throw new Error('no');
    }),
  }),
});

beforeAll(async () => {
  brokers = inject('stack').kafkaBrokers;
  kafka = await openKafka(brokers);
  database = await createOwnDatabase(inject('stack').databaseUrl);
  await migrateToLatest(database.pool);
  views = await compiled(productSales, shopSales);
  for (const view of views)
    await publish(
      database.pool,
      view,
      Array.from({ length: 100 }, (_, n) => sale(n)),
    );
});
afterAll(async () => {
  await kafka.close();
  await database.drop();
});

test('a decision carries what was served, to the letter of the serving log, and outcomes of it lie beside', async () => {
  const offers = decisions('offers', { context: z.object({ shop: z.string() }), topic: 'decide-offers' });
  const clicks = outcomes('clicks', { value: z.boolean(), topic: 'decide-clicks' });
  for (const topic of ['decide-offers', 'decide-clicks', 'decide-served']) await kafka.createTopic(topic, 2);
  const client = createClient({
    pool: database.pool,
    clock: fixedClock,
    servingLog: { kafka: { brokers }, topic: 'decide-served', sample: 1 },
    decisions: { kafka: { brokers } },
    onDerivedFailed: () => undefined,
  });
  const key = { shop: "o'shop \\", number: 3_000_000_000_000_000n };
  const [one, other] = await client.getMany(productSales, [key, { shop: 'nowhere', number: 0n }], {
    requestId: 'many',
  });
  const some = await client.get(shopSales, { shop: 'süd' }, { requestId: 'some', at: NOW_US + 5 });
  const request = { basket: 9007199254740993n, coupon: 'a "b"' };
  const whole = await client.getService(model, key, { request, requestId: 'whole' });
  // Whatever the program does with them later.
  for (const value of [one!, some]) Object.assign(value.values, { sales_1d: -1 });

  const id = client.decide(offers, { reads: [one!, other!, some], action: 'none', context: { shop: 'a' } });
  client.decide(offers, { id: 'service', reads: [whole], action: 'none', context: { shop: 'a' } });
  client.decide(offers, { id: 'part', reads: [whole.shop_sales], action: 'none', context: { shop: 'a' } });
  client.decide(offers, { id: 'own', reads: [whole.offer_model], action: 'none', context: { shop: 'a' } });
  client.outcome(clicks, { decision: id, name: 'click', value: true });
  expect(client.decided().sources['offers']?.buffered).toBe(4);
  await client.close();
  expect(client.decided().sources).toMatchObject({
    offers: { sent: 4, buffered: 0 },
    clicks: { sent: 1, buffered: 0 },
  });

  const said = await saidRecords(kafka.reader, compiledSource(offers));
  const came = await saidRecords(kafka.reader, compiledSource(clicks));
  expect([said.invalid, came.invalid]).toEqual([[], []]);
  expect(came.rows).toMatchObject([
    { decision_id: id, name: 'click', value: true, known_at: null, occurred_at: NOW_US },
  ]);
  const served = await loggedReads(kafka.reader, 'decide-served', { services: new Set(['offer_model']) });
  const logged = (requestId: string): object[] =>
    served
      .filter((read) => read.requestId === requestId)
      .map((read) => ({
        request_id: requestId,
        block: read.role ?? read.view,
        view: read.view,
        service: read.service,
        version: read.version,
        seq: read.seq,
        as_of: read.asOfUs,
        keys: read.entityJson,
        values: read.valuesJson,
        errors: read.errorsJson,
        request: read.requestJson,
        types: read.typesJson,
      }));
  const byBlock = (reads: readonly object[]): unknown[] =>
    reads.map((read) => JSON.stringify(Object.entries(read).toSorted())).toSorted();
  const readsOf = (decision: string): object[] => {
    const row = said.rows.find((each) => each['decision_id'] === decision) as Row;
    return (row['reads'] as Row[]).map((read) => {
      const { tags, ...rest } = read;
      expect(tags).toMatch(/^\{/);
      return rest;
    });
  };
  expect(byBlock(readsOf(id))).toEqual(byBlock([...logged('many'), ...logged('some')]));
  expect(logged('whole')).toHaveLength(3);
  expect(byBlock(readsOf('service'))).toEqual(byBlock(logged('whole')));
  expect(readsOf('part')).toMatchObject([{ block: 'shop_sales', service: 'offer_model', request_id: 'whole' }]);
  expect(readsOf('own')).toMatchObject([
    { block: 'offer_model', version: 0, request: '{"basket":"9007199254740993","coupon":"a \\"b\\"","seen_at":null}' },
  ]);
  expect(JSON.parse(readsOf('own')[0]!['errors' as never])).toEqual({ broken: 'derived-failed' });
  const [first] = (said.rows.find((each) => each['decision_id'] === id) as Row)['reads'] as Row[];
  expect(JSON.parse(first!['tags'] as string)).toEqual(views[0]!.tags!.features);
  expect(said.rows.find((each) => each['decision_id'] === 'service')).toMatchObject({ service: 'offer_model' });
});

test('decisions-not-configured: a client that was told of no place to say them', async () => {
  const client = createClient({ pool: database.pool });
  const offers = decisions('offers', { context: z.object({ shop: z.string() }) });
  expect(() => client.decide(offers, { action: 'none', context: { shop: 'a' } })).toThrow(
    expect.objectContaining({ code: 'decisions-not-configured' }) as Error,
  );
  expect(client.decided()).toEqual({ sources: {}, variants: [] });
  await client.close();
});

test('nobody who decides waits while Kafka is away; what does not fit is counted, and afterwards the rest is there', async () => {
  const services = { dataDir: temporaryDataDir(), onProgress: () => undefined };
  const own = await startKafka(services);
  const first = await openKafka(own.brokers);
  await first.createTopic('millrace.decisions', 2);
  await first.close();
  const offers = decisions('offers', { context: z.object({ shop: z.string() }) });
  const client = createClient({
    pool: database.pool,
    decisions: { kafka: { brokers: own.brokers }, maxBuffered: 20, flushMs: 1 },
  });
  const decide = (id: string): string => client.decide(offers, { id, action: 'none', context: { shop: 'a' } });
  decide('before');
  await vi.waitFor(() => expect(client.decided().sources['offers']?.sent).toBe(1), 60_000);
  await own.stop();
  for (let n = 0; n < 30; n++) expect(decide(`away-${n}`)).toBe(`away-${n}`);
  expect(client.decided().sources['offers']).toMatchObject({ sent: 1, buffered: 20, dropped: { 'buffer-full': 10 } });
  const again = await startKafka({ ...services, port: Number(own.brokers[0]!.split(':')[1]) });
  await vi.waitFor(() => expect(client.decided().sources['offers']?.buffered).toBe(0), 60_000);
  decide('after');
  await client.close();
  const second = await openKafka(again.brokers);
  const { rows, invalid } = await saidRecords(second.reader, compiledSource(offers));
  expect(invalid).toEqual([]);
  expect(rows.map((row) => row['decision_id']).toSorted()).toEqual(
    ['before', 'after', ...Array.from({ length: 20 }, (_, n) => `away-${n}`)].toSorted(),
  );
  await second.close();
  await again.stop();
  await rm(services.dataDir, { recursive: true, force: true });
}, 300_000);
