import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runArchive } from '../../engine/archive/run-archive.ts';
import type { CompiledLabelSet } from '../../engine/define/compiled-label-set.ts';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import { installationNames } from '../../engine/installation/installation-names.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { nextFence } from '../archive/archive-fixture.ts';
import { type CliResult, runCli } from '../cli/run-cli.ts';
import { type KafkaFixture, openKafka } from '../kafka/kafka-fixture.ts';
import { type ModelWorld, openWorldOf } from '../models/model-world.ts';
import { seededRandom } from '../statistics/seeded-random.ts';

const HOUR_MS = 3_600_000;
export const JUNE_MS = Date.UTC(2001, 5, 1);
/** One every half hour, until the 26th. */
export const REQUESTS = 1_200;

/** A flight that was decided on: by version 1, or by version 2 which otherwise decides in shadow. */
export interface Flight {
  readonly id: string;
  readonly atMs: number;
  readonly unit: string;
  readonly origin: string;
  readonly isOwn: boolean;
  readonly scores: readonly [one: number, two: number];
  readonly isLate: boolean;
  readonly action: 'warn' | 'wait';
  readonly propensity: number;
  /** Of `warn`, by version 2. */
  readonly warns: number;
  /** Known after three days: it does not count. */
  readonly comesTooLate: boolean;
}

/** June as it was: the same in every run. */
export function juneOf(seed = 11): Flight[] {
  const random = seededRandom(seed);
  return Array.from({ length: REQUESTS }, (_, n) => {
    const origin = ['LAS', 'PHL', 'ORD', 'SEA'][Math.floor(4 * random.uniform())]!;
    const wind = random.uniform();
    const chance = 0.05 + 0.75 * wind * (origin === 'ORD' ? 1 : 0.6);
    const isOwn = n % 10 >= 8;
    const two = Math.min(0.95, Math.max(0.02, chance));
    const warnsOne = wind > 0.5 ? 0.75 : 0.25;
    const warns = two > 0.3 ? 0.9 : 0.1;
    const isWarned = random.uniform() < (isOwn ? warns : warnsOne);
    const share = isOwn ? warns : warnsOne;
    return {
      id: `f${n}`,
      atMs: JUNE_MS + n * (HOUR_MS / 2),
      unit: `plane ${Math.floor(n / 10)}.${n % 10}`,
      origin,
      isOwn,
      scores: [0.1 + 0.5 * wind, two],
      isLate: random.uniform() < chance,
      action: isWarned ? 'warn' : 'wait',
      propensity: isWarned ? share : 1 - share,
      warns,
      comesTooLate: n % 50 === 7,
    };
  });
}

export interface EvaluateWorld {
  readonly models: ModelWorld;
  readonly kafka: KafkaFixture;
  readonly labels: CompiledLabelSet;
  readonly folder: string;
  run(...args: string[]): Promise<CliResult>;
  /** Its result with `--json`, of a run that went well. */
  json<Result>(...args: string[]): Promise<Result>;
  close(): Promise<void>;
}

/** June in Kafka: half of it archived and no longer on its topics; and a database in which models can be published. */
export async function openEvaluateWorld(stack: {
  readonly kafkaBrokers: readonly string[];
  readonly databaseUrl: string;
}): Promise<EvaluateWorld> {
  const names = installationNames(`e${randomUUID().slice(0, 8)}`);
  const [models, kafka] = await Promise.all([openWorldOf(stack.databaseUrl, names), openKafka(stack.kafkaBrokers)]);
  const { folder, pool } = models;
  const archives = join(folder, 'archive');
  const archiveDir = names.folder(archives);
  const features = join(folder, 'features');
  const topics = { decisions: `${names.name}-decisions`, departures: `${names.name}-departures` };
  await mkdir(features);
  await writeFile(join(features, 'index.ts'), definitionsOf(topics));
  await writeFile(join(features, 'package.json'), '{"type": "module"}');
  await kafka.admin.createTopics({
    topics: Object.values(topics).map((topic) => ({
      topic,
      numPartitions: 2,
      // Its records are of 2001.
      configEntries: [{ name: 'retention.ms', value: '-1' }],
    })),
  });
  const { labelSets } = await loadDefinitions(features);
  const labels = labelSets.get('late')!;
  const june = juneOf();
  const half = REQUESTS / 2;
  await send(kafka, topics, june.slice(0, half));
  for (const source of [labels.decisions, labels.outcomes]) {
    const topic = source.topic!;
    const { reader } = kafka;
    await runArchive({
      source,
      reader,
      pool,
      archiveDir,
      fence: nextFence(),
      until: 'present-end',
      clock: systemClock,
    });
    for (const { partition, endOffset } of (await reader.bounds(topic)).partitions)
      await kafka.deleteBefore(topic, partition, endOffset - 1);
  }
  await send(kafka, topics, june.slice(half));
  for (const source of [labels.decisions, labels.outcomes])
    await runArchive({
      source,
      reader: kafka.reader,
      pool,
      archiveDir,
      fence: nextFence(),
      until: 'present-end',
      clock: systemClock,
    });
  const variables = {
    DATABASE_URL: models.database.url,
    KAFKA_BROKERS: stack.kafkaBrokers.join(','),
    MILLRACE_INSTALLATION: names.name,
    MILLRACE_ARCHIVE_DIR: archives,
    MILLRACE_SPILL_DIR: join(folder, 'spill'),
    MILLRACE_FEATURES: features,
  };
  const run: EvaluateWorld['run'] = (...args) => runCli(args, variables, folder);
  return {
    models,
    kafka,
    labels,
    folder,
    run,
    async json<Result>(...args: string[]) {
      const { exitCode, stdout, stderr } = await run(...args, '--json');
      if (exitCode !== 0) throw new Error(`${args.join(' ')} ended with ${exitCode}: ${stdout}${stderr}`);
      return JSON.parse(stdout) as Result;
    },
    async close() {
      await kafka.close();
      await models.close();
    },
  };
}

/** Decisions with their shadows, twice each tenth; one that is broken; departures an hour after, or four days. */
async function send(
  { producer }: KafkaFixture,
  topics: { readonly decisions: string; readonly departures: string },
  flights: readonly Flight[],
): Promise<void> {
  const message = (key: string, atMs: number, value: object) => ({
    key,
    timestamp: String(atMs),
    value: JSON.stringify(value),
  });
  const decided = flights.flatMap((flight, n) => {
    const { id, atMs } = flight;
    const own = message(id, atMs, decisionOf(flight, flight.isOwn ? 2 : 1, null));
    const shadow = message(id, atMs, decisionOf(flight, 2, id));
    return [own, ...(flight.isOwn ? [] : [shadow]), ...(n % 10 === 3 ? [own] : [])];
  });
  const broken = message('x', flights[0]!.atMs, { decision_id: 'x', decided_at: 'yesterday' });
  await producer.send({ topic: topics.decisions, messages: [...decided, broken] });
  const came = flights.map(({ id, atMs, isLate, comesTooLate }) => {
    const knownMs = atMs + (comesTooLate ? 96 : 1) * HOUR_MS;
    const row = {
      departure: `${id} left`,
      flight: id,
      scheduled: new Date(atMs).toISOString(),
      delay: isLate ? 40 : 2,
    };
    return { ...message(id, knownMs, row), knownMs };
  });
  came.sort((a, b) => a.knownMs - b.knownMs);
  await producer.send({
    topic: topics.departures,
    messages: came.map(({ key, timestamp, value }) => ({ key, timestamp, value })),
  });
}

function decisionOf(flight: Flight, version: 1 | 2, shadowOf: string | null): object {
  const { id, atMs, unit, origin, scores, warns, action, propensity } = flight;
  const said = shadowOf === null ? { action, propensity } : { action: warns > 0.5 ? 'warn' : 'wait', propensity: 0.9 };
  return {
    decision_id: shadowOf === null ? id : `${id}.shadow`,
    decided_at: new Date(atMs).toISOString(),
    request_ids: [],
    reads: [],
    model: 'late',
    model_version: version,
    unit,
    acted: shadowOf === null,
    shadow_of: shadowOf,
    ...said,
    score: scores[version - 1],
    alternatives: [{ action: said.action === 'warn' ? 'wait' : 'warn', propensity: 1 - said.propensity }],
    more_alternatives: 0,
    context: { origin, flight: id },
  };
}

function definitionsOf(topics: { readonly decisions: string; readonly departures: string }): string {
  return `import { decisions, labelSet, source } from 'millrace';
import { z } from 'zod';
export const delayDecisions = decisions('delay_decisions', { topic: '${topics.decisions}', context: z.object({ origin: z.string(), flight: z.string() }) });
export const departures = source('departures', {
  schema: z.object({ departure: z.string(), flight: z.string(), scheduled: z.iso.datetime(), delay: z.int() }),
  eventTime: 'scheduled', eventId: 'departure', topic: '${topics.departures}',
});
export const late = labelSet('late', {
  decisions: delayDecisions, outcomes: departures,
  on: { decision: (d) => d.context.flight, outcome: (o) => o.flight },
  value: (_, o) => (o.delay > 15 ? 1 : 0), matureAfter: '3d', absent: 'leave-out',
});
`;
}
