import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { jsonTree } from '../../engine/values/composite-text.ts';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { featureService } from '../../engine/define/feature-service.ts';
import { carriedValues } from './carried-values.ts';
import { createClient } from '../../engine/online/client.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { createServingLog } from '../../engine/served/create-serving-log.ts';
import { ServedReadDecoder } from '../../engine/served/served-read.ts';
import { freePort } from '../../stack/free-port.ts';
import { type KafkaFixture, openKafka } from '../kafka/kafka-fixture.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';
import { loggedReads } from '../served/logged-reads.ts';
import {
  compiled,
  fixedClock,
  NOW_US,
  productSales,
  publish,
  sale,
  salesModel,
  shopSales,
  shopSalesNext,
} from './online-fixture.ts';

let database: OwnDatabase;
let kafka: KafkaFixture;
let products: CompiledView;
let brokers: readonly string[];

beforeAll(async () => {
  brokers = inject('stack').kafkaBrokers;
  kafka = await openKafka(brokers);
  database = await createOwnDatabase(inject('stack').databaseUrl);
  await migrateToLatest(database.pool);
  const views = (await compiled(productSales, shopSales)) as [CompiledView, CompiledView];
  products = views[0];
  const rows = Array.from({ length: 100 }, (_, n) => sale(n));
  for (const view of views) await publish(database.pool, view, rows);
});
afterAll(async () => {
  await kafka.close();
  await database.drop();
});

const shops = ['north', 'süd', "o'shop \\", 'nowhere'];

describe('a client with a serving log', () => {
  it('logs what it answers, to the bit, under the request id of the answer', async () => {
    const topic = 'client-exact';
    await kafka.createTopic(topic, 3);
    const client = createClient({
      pool: database.pool,
      clock: fixedClock,
      servingLog: { kafka: { brokers }, topic, sample: 1 },
    });
    const keys = shops.flatMap((shop) => [0n, 3n, 6n].map((n) => ({ shop, number: n * 1_000_000_000_000_000n })));
    const many = await client.getMany(productSales, keys, { requestId: 'many' });
    const future = await client.get(productSales, keys[0]!, { at: NOW_US + 400 * 86_400_000_000 });
    const past = await client.get(productSales, keys[0]!, { at: new Date('2001-01-01T00:00:00Z') });
    expect(past.ahead).toBe(true);
    await client.close();

    const reads = await loggedReads(kafka.reader, topic);
    expect(reads).toHaveLength(keys.length + 2);
    const decoder = new ServedReadDecoder(products.layout);
    const asked = [
      ...many.map((answer, index) => ({ answer, key: keys[index]! })),
      ...[future, past].map((answer) => ({ answer, key: keys[0]! })),
    ];
    for (const { answer, key } of asked) {
      const own = reads.filter(
        (read) =>
          read.requestId === answer.requestId &&
          decoder.entity(read)[0] === key.shop &&
          decoder.entity(read)[1] === key.number,
      );
      expect(own).toHaveLength(1);
      const [read] = own;
      expect(read).toMatchObject({
        service: null,
        view: 'product_sales',
        version: answer.version,
        fingerprint: products.fingerprint,
        servedAtUs: NOW_US,
        asOfUs: answer.asOfUs,
        found: answer.found,
        ahead: answer.ahead,
        seq: answer.seq,
      });
      const values = carriedValues(products.layout.features, answer.values);
      expect(read!.features).toEqual(products.layout.features.map(({ name }) => name));
      const logged = decoder.values(read!);
      expect(values.every((value, index) => Object.is(logged[index]!.value, value))).toBe(true);
      expect(JSON.parse(read!.valuesJson)).toEqual(
        Object.fromEntries(products.layout.features.map((one, n) => [one.name, jsonTree(one.result, values[n]!)])),
      );
    }
    expect(many.every(({ requestId }) => requestId === 'many')).toBe(true);
    expect(new Set([future.requestId, past.requestId, 'many']).size).toBe(3);
    expect(reads.filter(({ found }) => !found).every(({ seq }) => seq === null)).toBe(true);
  });

  it('logs a service by its name, one read per view, as its definition says how much', async () => {
    const topic = 'client-services';
    await kafka.createTopic(topic, 2);
    const all = featureService('all_of_it', [productSales, shopSales], { servingLog: 1 });
    const none = featureService('none_of_it', [shopSales], { servingLog: 0 });
    const client = createClient({
      pool: database.pool,
      servingLog: { kafka: { brokers }, topic, sample: 0, services: { sales_model: 1 } },
    });
    const key = { shop: 'north', number: 0n };
    const answer = await client.getService(all, key, { requestId: 'service-1' });
    expect(answer.product_sales.requestId).toBe('service-1');
    expect(answer.shop_sales.requestId).toBe('service-1');
    const byDefault = await client.getService(salesModel, key);
    await client.getService(none, key);
    await client.get(shopSales, { shop: 'north' });
    await client.close();
    const reads = await loggedReads(kafka.reader, topic);
    expect(reads.map(({ requestId, service, view }) => [requestId, service, view]).sort()).toEqual(
      [
        ['service-1', 'all_of_it', 'product_sales'],
        ['service-1', 'all_of_it', 'shop_sales'],
        [byDefault.shop_sales.requestId, 'sales_model', 'product_sales'],
        [byDefault.product_sales.requestId, 'sales_model', 'shop_sales'],
      ].sort(),
    );
    expect(new Set(reads.map(({ asOfUs, requestId }) => `${requestId} ${asOfUs}`)).size).toBe(2);
  });

  it('logs nothing of a call that fails', async () => {
    const topic = 'client-failures';
    await kafka.createTopic(topic, 1);
    const client = createClient({ pool: database.pool, servingLog: { kafka: { brokers }, topic, sample: 1 } });
    const changed = featureService('changed', [productSales, shopSalesNext]);
    await expect(client.getService(changed, { shop: 'north', number: 0n })).rejects.toMatchObject({
      code: 'definition-changed',
    });
    for (const requestId of ['', 'a b', 'é', 'x'.repeat(129), 'a\nb']) {
      await expect(client.get(shopSales, { shop: 'north' }, { requestId })).rejects.toMatchObject({
        code: 'invalid-request-id',
      });
      await expect(client.getService(salesModel, { shop: 'north', number: 0n }, { requestId })).rejects.toMatchObject({
        code: 'invalid-request-id',
      });
    }
    await client.get(shopSales, { shop: 'north' }, { requestId: 'the-only-one' });
    await client.close();
    expect((await loggedReads(kafka.reader, topic)).map(({ requestId }) => requestId)).toEqual(['the-only-one']);
  });

  it('answers as ever where no Kafka listens, and counts what is lost', async () => {
    const servingLog = createServingLog({
      kafka: { brokers: [`127.0.0.1:${await freePort()}`] },
      sample: 1,
      maxBuffered: 50,
      closeForMs: 50,
    });
    const client = createClient({ pool: database.pool, clock: fixedClock, servingLog });
    const plain = createClient({ pool: database.pool, clock: fixedClock });
    for (let n = 0; n < 100; n++) {
      const key = { shop: shops[n % 4]! };
      const [{ requestId: _, ...logged }, { requestId: __, ...expected }] = await Promise.all([
        client.get(shopSales, key),
        plain.get(shopSales, key),
      ]);
      expect(logged).toEqual(expected);
    }
    expect(servingLog.figures).toMatchObject({ logged: 0, buffered: 50, dropped: { 'buffer-full': 50 } });
    await client.close(); // the log is shared: not the client's to close
    expect(servingLog.figures.buffered).toBe(50);
    await servingLog.close();
    expect(servingLog.figures).toMatchObject({
      logged: 0,
      buffered: 0,
      dropped: { 'buffer-full': 50, 'send-failed': 50 },
    });
  });

  it('gives request ids without a log too, from the function it is given', async () => {
    let made = 0;
    const client = createClient({ pool: database.pool, newId: () => `id-${++made}` });
    const [a, b] = await client.getMany(shopSales, [{ shop: 'north' }, { shop: 'süd' }]);
    expect([a?.requestId, b?.requestId]).toEqual(['id-1', 'id-1']);
    expect((await client.get(shopSales, { shop: 'north' })).requestId).toBe('id-2');
    expect((await client.get(shopSales, { shop: 'north' }, { requestId: 'mine' })).requestId).toBe('mine');
  });
});
