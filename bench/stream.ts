import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Kafka, logLevel } from 'kafkajs';
import { compileDefinitions } from '../engine/define/compile-definitions.ts';
import { definitionsInMemory } from '../engine/define/loaded-definitions.ts';
import { systemClock } from '../engine/values/clock.ts';
import { openDuckDb } from '../engine/duckdb/duckdb.ts';
import { createKafkaLogReader } from '../engine/kafka/kafkajs-log-reader.ts';
import { createPool } from '../engine/postgres/pool.ts';
import { runStream } from '../engine/stream/run-stream.ts';
import { routeDelays } from '../features/flights.ts';
import { createTestDatabase, startTestStack } from '../stack/test-stack.ts';
import { openStreamDatabase, publishEmptyVersion } from '../test/stream/stream-fixture.ts';

/** What one run of the stream's benchmark found. */
export interface StreamBench {
  readonly records: number;
  readonly streamPerSecond: number;
  readonly kafkajsPerSecond: number;
  /** kafkajs consuming and JSON.parse alone, over the stream: below 1 the stream is the faster one. */
  readonly ratio: number;
  readonly streamPeakMb: number;
  readonly kafkajsPeakMb: number;
}

interface Services {
  readonly databaseUrl: string;
  readonly kafkaBrokers: readonly string[];
}

interface Phase extends Services {
  readonly topic: string;
  readonly records: number;
}

interface PhaseResult {
  readonly perSecond: number;
  readonly peakMb: number;
}

const PARTITIONS = 4;

/**
 * Streams real flights (route_delays: 6 features, some 3,400 routes) into Postgres, and beside it reads the same topic with kafkajs's consumer
 * and `JSON.parse` alone; each in a process of its own, for its peak memory.
 *
 * @example
 * await benchStream({ databaseUrl, kafkaBrokers }, 600_000);
 */
export async function benchStream(services: Services, records: number): Promise<StreamBench> {
  const topic = `bench-flights-${process.pid}`;
  const database = await createTestDatabase(services.databaseUrl);
  const kafka = new Kafka({ clientId: 'bench', brokers: [...services.kafkaBrokers], logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  try {
    await admin.createTopics({ topics: [{ topic, numPartitions: PARTITIONS }], waitForLeaders: true });
    await produceFlights(kafka, topic, records);
    const phase: Phase = { ...services, topic, records };
    const kafkajs = await inProcess('kafkajs', phase);
    const stream = await inProcess('stream', phase);
    return {
      records,
      streamPerSecond: Math.round(stream.perSecond),
      kafkajsPerSecond: Math.round(kafkajs.perSecond),
      ratio: Number((kafkajs.perSecond / stream.perSecond).toFixed(2)),
      streamPeakMb: stream.peakMb,
      kafkajsPeakMb: kafkajs.peakMb,
    };
  } finally {
    await admin.deleteTopics({ topics: [topic] });
    await admin.disconnect();
    await database.drop();
  }
}

async function produceFlights(kafka: Kafka, topic: string, records: number): Promise<void> {
  const spill = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
  const duckdb = await openDuckDb({ memoryMb: 1024, tempDir: spill });
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  try {
    const path = fileURLToPath(new URL('../node_modules/vega-datasets/data/flights-3m.parquet', import.meta.url));
    const rows = await duckdb.query<{ key: string; value: string }>(`
      SELECT origin || destination AS key, to_json({flight_id: format('F{:07d}', row_number() OVER ()), date: strftime(date, '%Y-%m-%dT%H:%M:%SZ'),
        origin: origin, destination: destination, delay: delay, distance: distance})::varchar AS value
      FROM '${path}' WHERE date >= TIMESTAMP '2001-06-01' OR ${records} > 400000 LIMIT ${records}`);
    for (let from = 0; from < rows.length; from += 5_000) {
      await producer.send({ topic, messages: rows.slice(from, from + 5_000) });
    }
  } finally {
    await producer.disconnect();
    await duckdb.close();
    await rm(spill, { recursive: true, force: true });
  }
}

async function inProcess(name: string, phase: Phase): Promise<PhaseResult> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--disable-warning=TimeoutNegativeWarning',
    fileURLToPath(import.meta.url),
    name,
    JSON.stringify(phase),
  ]);
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as PhaseResult;
}

async function streamPhase({ databaseUrl, kafkaBrokers, topic }: Phase): Promise<PhaseResult> {
  const definitions = await compileDefinitions(definitionsInMemory([routeDelays], process.cwd()));
  const compiled = definitions.views.get('route_delays')!;
  const view = { ...compiled, source: { ...compiled.source, topic } };
  const database = await openStreamDatabase(databaseUrl);
  const pool = createPool(database.databaseUrl, { max: 4 });
  const reader = createKafkaLogReader({ brokers: kafkaBrokers, clientId: 'bench' });
  const version = await publishEmptyVersion(pool, view, await reader.bounds(topic));
  const startedMs = performance.now();
  const result = await runStream({
    view,
    version,
    pool,
    reader,
    until: 'present-end',
    clock: systemClock,
    fence: { generation: 1, attemptMs: 1, owner: 'bench' },
    onProgress: (progress) => process.stderr.write(`${JSON.stringify(progress)}\n`),
  });
  const seconds = (performance.now() - startedMs) / 1000;
  await reader.close();
  await pool.end();
  await database.close();
  return { perSecond: result.records / seconds, peakMb: peakMb() };
}

async function kafkajsPhase({ kafkaBrokers, topic, records }: Phase): Promise<PhaseResult> {
  const kafka = new Kafka({ clientId: 'bench', brokers: [...kafkaBrokers], logLevel: logLevel.NOTHING });
  const consumer = kafka.consumer({ groupId: `${topic}-plain` });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const done = Promise.withResolvers<void>();
  let seen = 0;
  let startedMs = 0;
  await consumer.run({
    autoCommit: false,
    partitionsConsumedConcurrently: PARTITIONS,
    eachBatch: async ({ batch }) => {
      // Joining the group is not counted.
      if (startedMs === 0) startedMs = performance.now();
      for (const { value } of batch.messages) {
        JSON.parse(value!.toString());
        seen++;
      }
      if (seen >= records) done.resolve();
    },
  });
  await done.promise;
  const seconds = (performance.now() - startedMs) / 1000;
  await consumer.disconnect();
  return { perSecond: seen / seconds, peakMb: peakMb() };
}

function peakMb(): number {
  return Math.round(process.resourceUsage().maxRSS / 1024);
}

async function main(): Promise<void> {
  const [phase, config] = process.argv.slice(2);
  if (phase === 'stream' || phase === 'kafkajs') {
    const parsed = JSON.parse(config ?? '') as Phase;
    console.log(JSON.stringify(await (phase === 'stream' ? streamPhase(parsed) : kafkajsPhase(parsed))));
    return;
  }
  const records = Number(phase ?? 600_000);
  const { DATABASE_URL, KAFKA_BROKERS } = process.env;
  const stack = DATABASE_URL === undefined || KAFKA_BROKERS === undefined ? await startTestStack() : null;
  try {
    const services = {
      databaseUrl: stack?.databaseUrl ?? DATABASE_URL!,
      kafkaBrokers: stack?.kafka.brokers ?? KAFKA_BROKERS!.split(','),
    };
    console.log(JSON.stringify(await benchStream(services, records)));
  } finally {
    await stack?.stop();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
