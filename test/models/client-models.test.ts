/** `client.model` over the real services. */
import { randomUUID } from 'node:crypto';
import { type Admin, Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, expectTypeOf, inject, it, vi } from 'vitest';
import { createKafkaLogReader } from '../../engine/kafka/kafkajs-log-reader.ts';
import { createKafkaLogWriter } from '../../engine/kafka/kafkajs-log-writer.ts';
import { publishModel } from '../../engine/models/publish-model.ts';
import { type ClientOptions, createClient, type FeatureClient } from '../../engine/online/client.ts';
import type { LogReader } from '../../engine/topic/log-reader.ts';
import type { LogWriter } from '../../engine/topic/log-writer.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { type ModelWorld, openModelWorld, TAGS, trainedOnTags } from './model-world.ts';

const { kafkaBrokers: brokers, databaseUrl } = inject('stack');
const topic = `models-${randomUUID()}`;
let world: ModelWorld;
let admin: Admin;
let reader: LogReader;
let writer: LogWriter;
const clients: FeatureClient[] = [];
beforeAll(async () => {
  world = await openModelWorld(databaseUrl);
  admin = new Kafka({ clientId: 'test', brokers: [...brokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions: 1 }] });
  reader = createKafkaLogReader({ brokers, clientId: 'publisher' });
  writer = createKafkaLogWriter({ brokers, clientId: 'publisher' });
});
afterAll(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await Promise.all([reader.close(), writer.close(), admin.disconnect()]);
  await world.close();
});

async function publish(model: string, content: object): Promise<void> {
  await publishModel({
    pool: world.pool,
    reader,
    writer,
    topic,
    archiveDir: world.archiveDir,
    clock: systemClock,
    newId: randomUUID,
    model,
    file: await world.file(Buffer.from(JSON.stringify(content))),
    service: 'delay_model',
    trainedOn: await trainedOnTags(world, TAGS),
    metrics: null,
    actor: 'ana',
    alias: 'champion',
  });
}

function opened(models?: ClientOptions['models']): FeatureClient {
  const client = createClient({ databaseUrl: world.database.url, models });
  clients.push(client);
  return client;
}

const decode = (bytes: Uint8Array): { bias: number } => JSON.parse(Buffer.from(bytes).toString()) as { bias: number };

describe('client.model', () => {
  it('has the present version, and the next as soon as it is announced; typed by its decode', async () => {
    await publish('late', { bias: 1 });
    const client = opened({ kafka: { brokers }, topic });
    const late = await client.model('late', { decode });
    expectTypeOf(late.current.value).toEqualTypeOf<{ bias: number }>();
    expect(late.current).toMatchObject({ version: 1, value: { bias: 1 }, features: { route_delays: TAGS } });
    // Its looks by time are 15 s apart; what is waited for here is the announcement.
    await publish('late', { bias: 2 });
    await vi.waitFor(() => expect(late.current).toMatchObject({ version: 2, value: { bias: 2 } }), 60_000);
    expect(late.status).toMatchObject({ loads: 2, refused: null });
    await late.close();
    await publish('late', { bias: 3 });
    await late.look();
    expect(late.current.version).toBe(2);
  });

  it('is given by promises, and waits for a decode that is one', async () => {
    await publish('slow', { bias: 1 });
    const slow = await opened({ reader, topic }).model('slow', {
      decode: async (bytes) => (await Promise.resolve(), decode(bytes)),
    });
    expect(slow.current.value).toEqual({ bias: 1 });
  });

  it('says what it lacks', async () => {
    await expect(opened().model('late', { decode })).rejects.toMatchObject({ code: 'models-not-configured' });
    const client = opened({ reader, topic });
    await expect(client.model('Late', { decode })).rejects.toMatchObject({ code: 'invalid-name' });
    await expect(client.model('never', { decode })).rejects.toMatchObject({ code: 'unknown-model' });
    await publish('wrong', { bias: 1 });
    const throwing = (): never => {
      throw new Error('no opset');
    };
    await expect(client.model('wrong', { decode: throwing })).rejects.toMatchObject({
      code: 'model-not-decoded',
      message: expect.stringContaining('no opset') as string,
    });
    const closed = createClient({ databaseUrl: world.database.url, models: { kafka: { brokers }, topic } });
    await closed.close();
    await expect(closed.model('late', { decode })).rejects.toMatchObject({ code: 'model-closed' });
    const away = opened({ kafka: { brokers: ['127.0.0.1:1'] }, topic });
    await expect(away.model('late', { decode })).rejects.toMatchObject({ code: 'service-unreachable' });
    // Kafka is away, and the archive is there.
    const archived = opened({ kafka: { brokers: ['127.0.0.1:1'] }, topic, archiveDir: world.archiveDir });
    expect((await archived.model('late', { decode })).current.value).toEqual({ bias: 3 });
  });
});
