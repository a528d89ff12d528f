/**
 * The loop: what saying a decision costs its caller beside the serving log's offer; how fast decisions and outcomes come to Kafka, are joined into pairs
 * (beside a view's stream of the same decisions), get their labels and are evaluated. Prints one JSON object. Usage: node bench/loop.ts [decisions, default
 * 100000] [more decisions for the labels alone, default 1000000]
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { z } from 'zod';
import { createTopics } from '../cli/create-topics.ts';
import { createDecisionLog } from '../engine/decisions/create-decision-log.ts';
import type { DecisionLog } from '../engine/decisions/decision-log.ts';
import { compileDefinitions } from '../engine/define/compile-definitions.ts';
import { definitionsInMemory } from '../engine/define/loaded-definitions.ts';
import { evaluateModel } from '../engine/evaluation/evaluate-model.ts';
import { createKafkaLogReader } from '../engine/kafka/kafkajs-log-reader.ts';
import { createKafkaLogWriter } from '../engine/kafka/kafkajs-log-writer.ts';
import { openLabelScan } from '../engine/labels/scan-labels.ts';
import { processMemory } from '../engine/memory/process-memory.ts';
import { runPairs } from '../engine/pairs/run-pairs.ts';
import { createPool } from '../engine/postgres/pool.ts';
import type { ReadToLog } from '../engine/served/read-encoder.ts';
import { ServingLog } from '../engine/served/serving-log.ts';
import { runStream } from '../engine/stream/run-stream.ts';
import type { LogWriter } from '../engine/topic/log-writer.ts';
import { systemClock } from '../engine/values/clock.ts';
import { routeDelays } from '../features/flights.ts';
import { decisions, entity, featureView, labelSet, outcomes } from '../index.ts';
import { startTestStack } from '../stack/test-stack.ts';
import { openStreamDatabase, publishEmptyVersion } from '../test/stream/stream-fixture.ts';

const PARTITIONS = 4;
const CALLS = 100_000;
const PER_TURN = 1_000;
const MOST_WAITING = 10_000;
const DAY_US = 86_400_000_000;
const SECOND_US = 1_000_000;
const UNITS = 10_000;

const [given, large] = [Number(process.argv[2] ?? 100_000), Number(process.argv[3] ?? 1_000_000)];
const nowhere: LogWriter = { send: async () => undefined, close: async () => undefined };

/** Mean CPU time of one of `count` calls, µs. */
function micros(count: number, call: (n: number) => void): number {
  for (let n = 0; n < count / 10; n++) call(n);
  const before = process.cpuUsage();
  for (let n = 0; n < count; n++) call(n);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / count;
}

async function perSecond(count: number, work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return Math.round(count / ((performance.now() - startedMs) / 1_000));
}

const rounded = (ratio: number): number => Number(ratio.toFixed(2));

/** The topics and definitions of so many decisions. */
async function loopOf(suffix: string) {
  const choices = decisions(`choices_${suffix}`, {
    context: z.object({ origin: z.string(), flight: z.int() }),
    topic: `bench.choices.${suffix}`,
  });
  const came = outcomes(`came_${suffix}`, { value: z.boolean(), topic: `bench.came.${suffix}` });
  const late = labelSet(`late_${suffix}`, {
    decisions: choices,
    outcomes: came,
    value: (_, o) => (o.value ? 1 : 0),
    matureAfter: '1h',
    absent: 'leave-out',
  });
  const made = featureView(`made_${suffix}`, {
    entity: entity('origin', { origin: z.string() }),
    source: choices,
    key: (e) => ({ origin: e.context.origin }),
    features: (f) => ({ made: f.count(), made_1d: f.count().over('1d'), score_avg_7d: f.avg('score').over('7d') }),
  });
  const definitions = await compileDefinitions(definitionsInMemory([late, made], process.cwd()));
  return {
    choices,
    came,
    labels: definitions.labelSets.get(late.name)!,
    view: definitions.views.get(made.name)!,
    topics: { decisions: choices.options.topic!, outcomes: came.options.topic!, pairs: `bench.pairs.${suffix}` },
  };
}
type Loop = Awaited<ReturnType<typeof loopOf>>;

function decide(log: DecisionLog, { choices }: Loop, n: number, atUs: number, reads?: readonly object[]): string {
  return log.decide(choices, {
    id: `d-${n}`,
    at: atUs,
    model: { name: 'late', version: 1 },
    unit: `u${n % UNITS}`,
    action: n % 3 === 0 ? 'warn' : 'wait',
    score: 0.1 + (n % 80) / 100,
    context: { origin: `A${n % 300}`, flight: n },
    ...(reads === undefined ? {} : { reads }),
  });
}

/** µs of CPU in the caller's turn, side by side. */
async function callMicros() {
  const { views } = await compileDefinitions(definitionsInMemory([routeDelays], process.cwd()));
  const { layout, fingerprint, tags } = views.get('route_delays')!;
  const read: ReadToLog = {
    view: 'route_delays',
    version: 1,
    fingerprint,
    keys: layout.keys,
    features: layout.features,
    values: layout.features.map(({ result }, n) =>
      result.kind === 'double' ? n / 7 : result.kind === 'int64' ? 7n : 7,
    ),
    errors: null,
    found: true,
    asOfUs: systemClock.nowUs(),
    ahead: false,
    seq: 7,
    commitId: '7',
  };
  const room = { maxBuffered: 1_000_000, maxBufferedBytes: Number.POSITIVE_INFINITY };
  const serving = new ServingLog({
    writer: nowhere,
    topic: 't',
    clock: systemClock,
    logId: 'log',
    sample: 1,
    ...room,
  });
  const key = ['LAS', 'PHL'];
  const offer = micros(CALLS, () => serving.offer('request', null, [read], [key]));
  await serving.close();
  const loop = await loopOf('calls');
  const log = createDecisionLog({ writer: nowhere, ...room });
  const answer = {};
  log.note(answer, [
    { requestId: 'request', block: 'route_delays', service: null, key, read: { ...read, tags: tags!.features } },
  ]);
  const atUs = systemClock.nowUs();
  const bare = micros(CALLS, (n) => decide(log, loop, n, atUs));
  const withRead = micros(CALLS, (n) => decide(log, loop, n, atUs, [answer]));
  const said = log.figures.sources[loop.choices.name]!;
  if (Object.values(said.dropped).some((count) => count > 0)) throw new Error(`dropped: ${JSON.stringify(said)}`);
  await log.close();
  return {
    offer,
    decide: bare,
    decideWithRead: withRead,
    ratio: rounded(bare / offer),
    ratioWithRead: rounded(withRead / offer),
  };
}

const stack = process.env['KAFKA_BROKERS'] === undefined ? await startTestStack() : null;
const brokers = stack?.kafka.brokers ?? process.env['KAFKA_BROKERS']!.split(',');
const databaseUrl = stack?.databaseUrl ?? process.env['DATABASE_URL']!;
const spillDir = await mkdtemp(join(tmpdir(), 'millrace-bench-loop-'));
const reader = createKafkaLogReader({ brokers, clientId: 'bench' });
const writer = createKafkaLogWriter({ brokers, clientId: 'bench' });

/** Says so many decisions, each with an outcome, through the log. Gives records per second. */
async function sayAll(loop: Loop, count: number): Promise<number> {
  await createTopics({ brokers }, Object.values(loop.topics), PARTITIONS);
  const log = createDecisionLog({ writer, maxBuffered: 100_000, closeForMs: 60_000 });
  const startUs = systemClock.nowUs() - DAY_US;
  const speed = await perSecond(count * 2, async () => {
    for (let n = 0; n < count; n += PER_TURN) {
      for (let m = n; m < Math.min(count, n + PER_TURN); m++) {
        const atUs = startUs + m * 1_000;
        const decision = decide(log, loop, m, atUs);
        const soonUs = atUs + SECOND_US;
        log.outcome(loop.came, {
          id: `o-${m}`,
          decision,
          name: 'came',
          value: (m * 7) % 80 < m % 80,
          at: soonUs,
          knownAt: soonUs,
        });
      }
      const waiting = (): number => Object.values(log.figures.sources).reduce((sum, { buffered }) => sum + buffered, 0);
      while (waiting() > MOST_WAITING) await nextTurn();
    }
    await log.close();
  });
  const sent = Object.values(log.figures.sources).reduce((sum, of) => sum + of.sent, 0);
  if (sent !== 2 * count) throw new Error(`${sent} of ${2 * count} records were acknowledged`);
  return speed;
}

async function joined({ labels, view, topics }: Loop, count: number) {
  const database = await openStreamDatabase(databaseUrl);
  const pool = createPool(database.databaseUrl, { max: 6 });
  const fence = { generation: 1, attemptMs: 1, owner: 'bench' };
  const common = { pool, reader, clock: systemClock, fence, until: 'present-end' as const };
  try {
    const version = await publishEmptyVersion(pool, view, await reader.bounds(topics.decisions));
    const streamed = await perSecond(count, async () => await runStream({ ...common, view, version }));
    let pairs = 0;
    const pairsPerSecond = await perSecond(count, async () => {
      ({ pairs } = await runPairs({ ...common, rule: labels, topic: topics.pairs, pairsReader: reader, writer }));
    });
    if (pairs !== count) throw new Error(`${pairs} pairs were made of ${count} decisions`);
    return {
      pairsPerSecond,
      recordsPerSecond: 2 * pairsPerSecond,
      streamRecordsPerSecond: streamed,
      // How much longer the joiner takes for a record than a view.
      ratio: rounded(streamed / (2 * pairsPerSecond)),
    };
  } finally {
    await pool.end();
    await database.close();
  }
}

const scanOptions = (loop: Loop) => ({
  labels: loop.labels,
  reader,
  clock: systemClock,
  spillDir,
  fromUs: 0,
  untilUs: Number.MAX_SAFE_INTEGER,
});

async function labelled(loop: Loop, count: number): Promise<number> {
  let found = 0;
  const speed = await perSecond(count, async () => {
    for await (const batch of await openLabelScan(scanOptions(loop))) found += batch.length;
  });
  if (found !== count) throw new Error(`${found} of ${count} decisions have labels`);
  return speed;
}

async function evaluated(loop: Loop, count: number): Promise<number> {
  return await perSecond(count, async () => {
    const report = await evaluateModel({
      model: { model: 'late', version: 1 },
      labels: loop.labels.name,
      segments: ['action'],
      fromUs: 0,
      untilUs: systemClock.nowUs(),
      openScan: async (where) => await openLabelScan({ ...scanOptions(loop), where }),
      duckdb: { memory: processMemory(), tempDir: spillDir },
      spillDir,
    });
    if (report.counts.labelled !== count) throw new Error(JSON.stringify(report.counts));
  });
}

try {
  const cpuMicros = await callMicros();
  const small = await loopOf(randomUUID().slice(0, 8));
  const saidPerSecond = await sayAll(small, given);
  const pairs = await joined(small, given);
  const scanned = await labelled(small, given);
  const evaluation = await evaluated(small, given);
  const many = await loopOf(randomUUID().slice(0, 8));
  if (large > 0) await sayAll(many, large);
  console.log(
    JSON.stringify({
      bench: 'loop',
      decisions: given,
      cpuMicros,
      saidPerSecond,
      pairs,
      labelsPerSecond: { [given]: scanned, ...(large > 0 ? { [large]: await labelled(many, large) } : {}) },
      evaluate: { rowsPerSecond: evaluation, ratio: rounded(scanned / evaluation) },
    }),
  );
} finally {
  await writer.close();
  await reader.close();
  await rm(spillDir, { recursive: true, force: true });
  await stack?.stop();
}
