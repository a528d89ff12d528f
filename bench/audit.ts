/**
 * Audits a view of the 3 M flights: 100,000 logged reads, of states at ten commits and the backfill, against a replay of the topic; beside
 * it a plain backfill of the same topic, each in a process of its own. Prints one JSON object. Usage: node bench/audit.ts [events]
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Kafka, logLevel, type Producer } from 'kafkajs';
import { codeOf } from '../engine/define/known-code.ts';
import { runBackfill } from '../engine/backfill/run-backfill.ts';
import { compileDefinitions } from '../engine/define/compile-definitions.ts';
import type { CompiledView } from '../engine/define/compiled-view.ts';
import { definitionsInMemory } from '../engine/define/loaded-definitions.ts';
import { systemClock } from '../engine/values/clock.ts';
import { openDuckDb } from '../engine/duckdb/duckdb.ts';
import { createKafkaLogReader } from '../engine/kafka/kafkajs-log-reader.ts';
import { createKafkaLogWriter } from '../engine/kafka/kafkajs-log-writer.ts';
import { createOnlineStore } from '../engine/online/online-store.ts';
import { publishVersion } from '../engine/online/publish-version.ts';
import { auditParity } from '../engine/parity/audit-parity.ts';
import { createPool } from '../engine/postgres/pool.ts';
import { ServingLog } from '../engine/served/serving-log.ts';
import { runStream } from '../engine/stream/run-stream.ts';
import { routeDelays } from '../features/flights.ts';
import { startTestStack } from '../stack/test-stack.ts';
import { openStreamDatabase } from '../test/stream/stream-fixture.ts';

interface Phase {
  readonly databaseUrl: string;
  readonly kafkaBrokers: readonly string[];
  readonly topic: string;
  readonly servedTopic: string;
}

interface Measured {
  readonly seconds: number;
  /** Of all threads: what it costs whatever else the machine does. */
  readonly cpuSeconds: number;
  readonly peakMb: number;
  readonly reads?: number;
  readonly entities?: number;
  readonly cellsCompared?: number;
  readonly cellsDiffering?: number;
}

const PARTITIONS = 4;
const READS = 100_000;
/** Served from the backfill, then after each of so many stretches that were streamed. */
const STRETCHES = 10;
const STREAMED_SHARE = 0.07;
const FLIGHTS = fileURLToPath(new URL('../node_modules/vega-datasets/data/flights-3m.parquet', import.meta.url));
/** Just after the last flight, where windows are full. */
const AT_US = Date.UTC(2001, 6, 1) * 1000;

async function compiledView(topic: string): Promise<CompiledView> {
  const definitions = await compileDefinitions(definitionsInMemory([routeDelays], process.cwd()));
  const compiled = definitions.views.get('route_delays')!;
  return { ...compiled, source: { ...compiled.source, topic, history: null } };
}

/** Runs `fn` over a spill folder, a pool and a reader of its own. */
async function connected<T>(
  phase: Phase,
  fn: (on: {
    pool: ReturnType<typeof createPool>;
    reader: ReturnType<typeof createKafkaLogReader>;
    spillDir: string;
  }) => Promise<T>,
): Promise<T> {
  const spillDir = await mkdtemp(join(tmpdir(), 'millrace-bench-audit-'));
  const pool = createPool(phase.databaseUrl, { max: 6 });
  const reader = createKafkaLogReader({ brokers: phase.kafkaBrokers, clientId: 'bench' });
  try {
    return await fn({ pool, reader, spillDir });
  } finally {
    await reader.close();
    await pool.end();
    await rm(spillDir, { recursive: true, force: true });
  }
}

async function produce(producer: Producer, topic: string, from: number, until: number): Promise<void> {
  const spill = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
  const duckdb = await openDuckDb({ memoryMb: 1024, tempDir: spill });
  try {
    for (let at = from; at < until; at += 100_000) {
      const rows = await duckdb.query<{ key: string; value: string }>(`
        SELECT origin || destination AS key, to_json({flight_id: format('F{:07d}', file_row_number), date: strftime(date, '%Y-%m-%dT%H:%M:%SZ'),
          origin: origin, destination: destination, delay: delay, distance: distance})::varchar AS value
        FROM read_parquet('${FLIGHTS}', file_row_number = true)
        WHERE file_row_number >= ${at} AND file_row_number < ${Math.min(at + 100_000, until)} ORDER BY file_row_number`);
      for (let row = 0; row < rows.length; row += 5_000)
        await producer.send({ topic, messages: rows.slice(row, row + 5_000) });
    }
  } finally {
    await duckdb.close();
    await rm(spill, { recursive: true, force: true });
  }
}

/** A view over `events` flights, most of them backfilled and the rest streamed, with `READS` logged reads. */
function prepare(phase: Phase, events: number): Promise<void> {
  return connected(phase, async ({ pool, reader, spillDir }) => {
    const { topic, servedTopic, kafkaBrokers } = phase;
    const kafka = new Kafka({ clientId: 'bench', brokers: [...kafkaBrokers], logLevel: logLevel.NOTHING });
    const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    const writer = createKafkaLogWriter({ brokers: kafkaBrokers, clientId: 'bench' });
    try {
      const view = await compiledView(topic);
      const backfilled = Math.round(events * (1 - STREAMED_SHARE));
      await produce(producer, topic, 0, backfilled);
      process.stderr.write(`${backfilled} flights produced\n`);
      const { version } = await runBackfill({ view, pool, reader, spillDir, clock: systemClock, builder: 'bench' });
      await publishVersion({ pool, view: view.name, version });
      const store = createOnlineStore({ pool, clock: systemClock });
      const { rows: keys } = await pool.query<string[]>({
        text: `SELECT origin, destination FROM millrace_state.route_delays_v${version} ORDER BY 1, 2`,
        rowMode: 'array',
      });
      const log = new ServingLog({
        writer,
        topic: servedTopic,
        clock: systemClock,
        logId: 'bench',
        sample: 1,
        maxBuffered: READS,
        maxBufferedBytes: Infinity,
      });
      const perStretch = Math.ceil(READS / (STRETCHES + 1));
      let served = 0;
      for (let stretch = 0; stretch <= STRETCHES; stretch++) {
        if (stretch > 0) {
          const size = (events - backfilled) / STRETCHES;
          await produce(
            producer,
            topic,
            Math.round(backfilled + (stretch - 1) * size),
            Math.round(backfilled + stretch * size),
          );
          await runStream({
            view,
            version,
            pool,
            reader,
            until: 'present-end',
            clock: systemClock,
            fence: { generation: 1, attemptMs: stretch, owner: 'bench' },
            onProgress: () => undefined,
          });
        }
        const until = Math.min(READS, served + perStretch);
        for (; served < until; served += 500) {
          const wanted = Array.from(
            { length: Math.min(500, until - served) },
            (_, index) => keys[(served * 7 + index) % keys.length]!,
          );
          const reads = await store.get(view.name, wanted, { atUs: AT_US + served * 1_000_000 });
          log.offer(`request-${served}`, null, reads, wanted);
        }
        served = until;
      }
      await log.close();
      if (log.figures.logged !== READS) throw new Error(`${log.figures.logged} reads logged, not ${READS}`);
    } finally {
      await writer.close();
      await producer.disconnect();
    }
  });
}

/** Runs in a process of its own. */
function measure(name: 'audit' | 'backfill', phase: Phase): Promise<Measured> {
  return connected(phase, async ({ pool, reader, spillDir }) => {
    const view = await compiledView(phase.topic);
    const startedMs = performance.now();
    const startedCpu = process.cpuUsage();
    const figures = () => {
      const { user, system } = process.cpuUsage(startedCpu);
      return {
        seconds: Number(((performance.now() - startedMs) / 1000).toFixed(2)),
        cpuSeconds: Number(((user + system) / 1_000_000).toFixed(2)),
        peakMb: Math.round(process.resourceUsage().maxRSS / 1024),
      };
    };
    if (name === 'backfill') {
      await runBackfill({ view, pool, reader, spillDir, clock: systemClock, builder: 'bench' });
      return figures();
    }
    const result = await auditParity({
      view: view.name,
      code: codeOf([view]),
      pool,
      reader,
      archiveDir: null,
      servedTopic: phase.servedTopic,
      kind: 'audit',
      spillDir,
      clock: systemClock,
    });
    const { reads, entities, cellsCompared, cellsDiffering } = result;
    return { ...figures(), reads, entities, cellsCompared, cellsDiffering };
  });
}

async function inProcess(name: string, phase: Phase): Promise<Measured> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--disable-warning=TimeoutNegativeWarning',
    fileURLToPath(import.meta.url),
    name,
    JSON.stringify(phase),
  ]);
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Measured;
}

async function bench(services: Pick<Phase, 'databaseUrl' | 'kafkaBrokers'>, events: number): Promise<void> {
  const topic = `bench-audit-${process.pid}`;
  const servedTopic = `${topic}.served`;
  const database = await openStreamDatabase(services.databaseUrl);
  const kafka = new Kafka({ clientId: 'bench', brokers: [...services.kafkaBrokers], logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  try {
    await admin.createTopics({
      topics: [
        { topic, numPartitions: PARTITIONS },
        { topic: servedTopic, numPartitions: PARTITIONS },
      ],
      waitForLeaders: true,
    });
    const phase: Phase = { ...services, databaseUrl: database.databaseUrl, topic, servedTopic };
    await prepare(phase, events);
    process.stderr.write('measuring\n');
    const audit = await inProcess('audit', phase);
    const backfill = await inProcess('backfill', phase);
    const ratioToBackfill = Number((audit.seconds / backfill.seconds).toFixed(2));
    console.log(JSON.stringify({ bench: 'audit', events, audit, backfill, ratioToBackfill }));
    if (audit.cellsDiffering !== 0 || audit.reads !== READS) process.exitCode = 1;
  } finally {
    await admin.deleteTopics({ topics: [topic, servedTopic] });
    await admin.disconnect();
    await database.close();
  }
}

async function main(): Promise<void> {
  const [first, config] = process.argv.slice(2);
  if (first === 'audit' || first === 'backfill') {
    console.log(JSON.stringify(await measure(first, JSON.parse(config ?? '') as Phase)));
    return;
  }
  const { DATABASE_URL, KAFKA_BROKERS } = process.env;
  const stack = DATABASE_URL === undefined || KAFKA_BROKERS === undefined ? await startTestStack() : null;
  try {
    await bench(
      {
        databaseUrl: stack?.databaseUrl ?? DATABASE_URL!,
        kafkaBrokers: stack?.kafka.brokers ?? KAFKA_BROKERS!.split(','),
      },
      Number(first ?? 3_000_000),
    );
  } finally {
    await stack?.stop();
  }
}

await main();
