/**
 * The serving log apart from the store: what `offer` costs a request, what encoding costs in the background, and how fast a log of N reads is scanned
 * from Kafka. Prints one JSON object. Usage: node bench/served.ts [reads, default 300000]
 */
import { randomUUID } from 'node:crypto';
import { Kafka, logLevel } from 'kafkajs';
import { compileDefinitions } from '../engine/define/compile-definitions.ts';
import { definitionsInMemory } from '../engine/define/loaded-definitions.ts';
import { systemClock } from '../engine/values/clock.ts';
import { createKafkaLogReader } from '../engine/kafka/kafkajs-log-reader.ts';
import { createKafkaLogWriter } from '../engine/kafka/kafkajs-log-writer.ts';
import type { LogWriter } from '../engine/topic/log-writer.ts';
import { ReadEncoder, type ReadToLog } from '../engine/served/read-encoder.ts';
import { scanServedReads } from '../engine/served/scan-served-reads.ts';
import { type ServedRead, ServedReadDecoder } from '../engine/served/served-read.ts';
import { ServingLog } from '../engine/served/serving-log.ts';
import { routeDelays } from '../features/flights.ts';
import { startTestStack } from '../stack/test-stack.ts';

const REQUESTS_PER_TURN = 1_000;
const given = Number(process.argv[2] ?? 300_000);
const definitions = await compileDefinitions(definitionsInMemory([routeDelays], process.cwd()));
const view = definitions.views.get('route_delays')!;
const { layout, fingerprint } = view;

function readOf(n: number): ReadToLog {
  return {
    view: view.name,
    version: 1,
    fingerprint,
    keys: layout.keys,
    features: layout.features,
    values: layout.features.map(({ result }, index) =>
      result.kind === 'double' ? (n + index) / 7 : result.kind === 'int64' ? BigInt(n) : n,
    ),
    errors: null,
    found: true,
    asOfUs: systemClock.nowUs(),
    ahead: false,
    seq: n,
    commitId: String(2n ** 63n - 1n - BigInt(n)),
  };
}

const keyOf = (n: number): string[] => [`A${n % 100}`, `B${n % 97}`];

/** CPU time of this process since, µs: what other work on the machine changes least. */
function cpuSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

/** Mean CPU time of one of `count` calls, µs. */
function micros(count: number, call: (n: number) => void): number {
  for (let n = 0; n < count / 10; n++) call(n);
  const before = process.cpuUsage();
  for (let n = 0; n < count; n++) call(n);
  return cpuSince(before) / count;
}

const reads = Array.from({ length: 1_000 }, (_, n) => readOf(n));
const keys = reads.map((_, n) => keyOf(n));
const encoder = new ReadEncoder();
const offeredAs = { readId: 'log-1', requestId: randomUUID(), service: 'delay_model', servedAtUs: systemClock.nowUs() };
let bytes = 0;
const encodeMicros = micros(300_000, (n) => {
  const key = keys[n % 1_000]!;
  bytes = Buffer.from(encoder.encode({ ...offeredAs, key, read: reads[n % 1_000]! })).length;
});

const nowhere: LogWriter = { send: async () => undefined, close: async () => undefined };
async function offerMicros(sample: number): Promise<number> {
  const log = new ServingLog({
    writer: nowhere,
    topic: 't',
    clock: systemClock,
    logId: 'log',
    sample,
    maxBuffered: 1_000_000,
    maxBufferedBytes: Infinity,
  });
  const mean = micros(200_000, (n) => log.offer('request', null, [reads[n % 1_000]!], [keys[n % 1_000]!]));
  await log.close();
  return mean;
}
const offerAllMicros = await offerMicros(1);
const offerOnePercentMicros = await offerMicros(0.01);

const stack = process.env['KAFKA_BROKERS'] === undefined ? await startTestStack() : null;
try {
  const brokers = stack?.kafka.brokers ?? process.env['KAFKA_BROKERS']!.split(',');
  const topic = `bench.served.${randomUUID().slice(0, 8)}`;
  const admin = new Kafka({ clientId: 'bench', brokers: [...brokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions: 4 }] });
  await admin.disconnect();

  const writer = createKafkaLogWriter({ brokers, clientId: 'bench' });
  const log = new ServingLog({
    writer,
    topic,
    clock: systemClock,
    logId: randomUUID(),
    sample: 1,
    maxBuffered: 20_000,
    ownsWriter: true,
  });
  const writeStartMs = performance.now();
  const writeCpu = process.cpuUsage();
  for (let n = 0; n < given; n += REQUESTS_PER_TURN) {
    for (let m = n; m < n + REQUESTS_PER_TURN; m++) {
      log.offer(`request-${m}`, 'delay_model', [reads[m % 1_000]!], [keyOf(m)]);
    }
    while (log.figures.buffered > 10_000) await new Promise((resolve) => setImmediate(resolve));
  }
  await log.close();
  const writeSeconds = (performance.now() - writeStartMs) / 1000;
  const { logged, dropped } = log.figures;
  const written = { perSecond: Math.round(logged / writeSeconds), cpuMicros: cpuSince(writeCpu) / logged };

  const reader = createKafkaLogReader({ brokers, clientId: 'bench' });
  const scan = async (each: (read: ServedRead) => void): Promise<{ perSecond: number; cpuMicros: number }> => {
    const before = process.cpuUsage();
    const startMs = performance.now();
    for await (const batch of scanServedReads({ reader, topic })) for (const read of batch) each(read);
    const perSecond = Math.round(logged / ((performance.now() - startMs) / 1000));
    return { perSecond, cpuMicros: cpuSince(before) / logged };
  };
  await scan(() => undefined);
  const scanned = await scan(() => undefined);
  const decoder = new ServedReadDecoder(layout);
  const decoded = await scan((read) => {
    decoder.entity(read);
    decoder.values(read);
  });
  await reader.close();
  console.log(
    JSON.stringify({
      bench: 'served',
      recordBytes: bytes,
      cpuMicros: { encode: encodeMicros, offerAll: offerAllMicros, offerOnePercent: offerOnePercentMicros },
      logged,
      dropped: Object.values(dropped).reduce((sum, count) => sum + count, 0),
      written,
      scanned,
      decoded,
    }),
  );
} finally {
  await stack?.stop();
}
