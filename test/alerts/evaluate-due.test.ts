import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { z } from 'zod';
import type { ActivityDeps } from '../../activities/activity-deps.ts';
import { evaluateDue } from '../../activities/evaluate-due.ts';
import type { AlertEvent } from '../../engine/alerts/alert-event.ts';
import { webhookFigures } from '../../engine/alerts/webhook-store.ts';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { createKafkaLogWriter } from '../../engine/kafka/kafkajs-log-writer.ts';
import { processMemory } from '../../engine/memory/process-memory.ts';
import { writeBuckets } from '../../engine/monitors/write-buckets.ts';
import { monitor, source } from '../../index.ts';
import type { EvaluateSummary } from '../../workflows/watch-monitors/contract.ts';
import { readAll } from '../kafka/log-reader-conformance.ts';
import { type KafkaFixture, openKafka } from '../kafka/kafka-fixture.ts';
import { eventually } from '../lifecycle/lifecycle-harness.ts';
import { openStreamDatabase } from '../stream/stream-fixture.ts';
import { clockAt, HOUR_MS, learn, NOON_MS, type Odd, sourceHour } from './alert-world.ts';

const TOPIC = 'millrace.alerts';
const writer = createKafkaLogWriter({ brokers: inject('stack').kafkaBrokers, clientId: 'test' });
const flights = source('flights', {
  schema: z.object({ id: z.string(), at: z.iso.datetime(), delay: z.int().nullable() }),
  eventTime: 'at',
  eventId: 'id',
  topic: 'flights',
});
const enough = monitor({ on: flights, metric: 'volume', threshold: { least: 800 }, name: 'enough flights' });

let database: Awaited<ReturnType<typeof openStreamDatabase>>;
let kafka: KafkaFixture;
let server: Server;
let deps: ActivityDeps;
let generation = 0;
const held: ServerResponse[] = [];

beforeAll(async () => {
  const stack = inject('stack');
  database = await openStreamDatabase(stack.databaseUrl);
  kafka = await openKafka(stack.kafkaBrokers);
  await kafka.createTopic(TOPIC, 1);
  server = createServer((_, response) => held.push(response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await learn(database.pool, NOON_MS, 4, (beginMs) => sourceHour(beginMs));
  deps = {
    definitions: await compileDefinitions(definitionsInMemory([flights, enough], process.cwd())),
    code: { viewOf: async () => await Promise.reject(new Error('no code is stored here')) },
    pool: database.pool,
    reader: null,
    topicReader: kafka.reader,
    writer,
    archiveDir: 'none',
    servedTopic: 'none',
    clock: clockAt(NOON_MS),
    spillDir: 'none',
    roots: null,
    memory: processMemory(),
    webhooks: [{ name: 'own', shape: 'json', url: `http://127.0.0.1:${port}/`, routingKey: null }],
    identity: 'test',
  };
}, 120_000);
afterAll(async () => {
  server?.closeAllConnections();
  server?.close();
  await writer.close();
  await kafka?.close();
  await database?.close();
});

/** The hour is there, and closed: it is evaluated. */
async function hour(nth: number, odd: Odd, more: Partial<ActivityDeps> = {}): Promise<EvaluateSummary> {
  const beginMs = NOON_MS + nth * HOUR_MS;
  await writeBuckets(database.pool, sourceHour(beginMs, odd));
  const clock = clockAt(beginMs + HOUR_MS + 300_000);
  const input = { clock: 'wall', allowedLatenessMs: 300_000, watchFromMs: null, generation: ++generation } as const;
  const told = await new MockActivityEnvironment().run(evaluateDue, { ...deps, clock, ...more }, input);
  return told as EvaluateSummary;
}

async function onTopic(): Promise<AlertEvent[]> {
  const [bounds] = (await kafka.reader.bounds(TOPIC)).partitions;
  const records = await readAll(kafka.reader, TOPIC, [[0, bounds!.lowOffset]], [[0, bounds!.endOffset]]);
  return (records.get(0) ?? []).map(({ value }) => JSON.parse(Buffer.from(value!).toString()) as AlertEvent);
}

describe('the activity that evaluates', { timeout: 120_000 }, () => {
  it('brings what changes to the topic, judges monitors in code, and waits for no webhook', async () => {
    const told = await hour(0, { nulls: { ATL: 1 }, volume: 0.8 });
    expect(told).toMatchObject({
      now: '2026-06-01T13:05Z',
      buckets: 1,
      events: 2,
      openCount: 2,
      waiting: 0,
      behind: false,
    });
    const events = await onTopic();
    expect(events.map(({ change, kind }) => `${change} ${kind}`).toSorted()).toEqual([
      'opened coverage',
      'opened rule',
    ]);
    expect(told.changes.join()).toContain('where monitor "enough flights" allows 800 records');
    // It was told, and has not answered: what is evaluated meanwhile does not wait for it.
    const first = await eventually(() => held[0]);
    const away = await hour(1, {}, { writer: null });
    expect(away).toMatchObject({ buckets: 1, events: 0, waiting: 0 });
    server.removeAllListeners('request').on('request', (_, response: ServerResponse) => response.end());
    first.end();
    await eventually(async () => (await webhookFigures(database.pool))[0]?.sent === 2);
  });

  it('keeps what cannot be sent, and sends it once Kafka is there again, once', async () => {
    await hour(2, {});
    const away = await hour(3, {}, { writer: null });
    expect(away).toMatchObject({ events: 2, openCount: 0, waiting: 2 });
    expect(await onTopic()).toHaveLength(2);
    const input = { clock: 'wall', allowedLatenessMs: 300_000, watchFromMs: null, generation: ++generation } as const;
    const clock = clockAt(NOON_MS + 4 * HOUR_MS + 300_000);
    const again = await new MockActivityEnvironment().run(evaluateDue, { ...deps, clock }, input);
    expect(again).toMatchObject({ buckets: 0, events: 0, waiting: 0 });
    const events = await onTopic();
    expect(events.map(({ change }) => change)).toEqual(['opened', 'opened', 'closed', 'closed']);
    expect(new Set(events.map(({ id }) => id)).size).toBe(4);
    await eventually(async () => (await webhookFigures(database.pool))[0]?.waiting === 0);
  });
});
