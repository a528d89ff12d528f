import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createKafkaLogWriter } from '../../engine/kafka/kafkajs-log-writer.ts';
import type { Side } from '../../engine/pairs/pairs-options.ts';
import { runPairs } from '../../engine/pairs/run-pairs.ts';
import { pairsStatus } from '../../engine/pairs/pairs-status.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { seededRandom } from '../../soak/random.ts';
import { type KafkaFixture, openKafka } from '../kafka/kafka-fixture.ts';
import { type LoggedEvent, pairsOf } from '../oracle/pairs-oracle.ts';
import { HORIZON_US, pairRule, recordOf, START_US } from '../pairs/pairs-world.ts';
import { openStreamDatabase } from '../stream/stream-fixture.ts';
import type { DeathPoint, PairsChildConfig } from './pairs-child.ts';

const TIMEOUT_MS = 600_000;
const seed = Number(process.env['LAW_SEED'] ?? Date.now() % 2 ** 31);
const PARTITIONS = { decisions: 2, outcomes: 2 };
/** Every place at which a joiner does something that another process may see, and anywhere at all. */
const DEATHS: readonly (DeathPoint | 'anywhere')[] = [
  'after-fetch',
  'after-cas',
  'before-commit',
  'after-commit',
  'before-send',
  'after-send',
  'after-mark',
  'after-sweep',
  'anywhere',
  'anywhere',
  'anywhere',
];

let kafka: KafkaFixture;
let database: Awaited<ReturnType<typeof openStreamDatabase>>;
beforeAll(async () => {
  kafka = await openKafka(inject('stack').kafkaBrokers);
  database = await openStreamDatabase(inject('stack').databaseUrl);
}, TIMEOUT_MS);
afterAll(async () => {
  await database.close();
  await kafka.close();
});

/** A life of a joiner; gives what ended it. */
async function live(config: PairsChildConfig, isDue: (sent: number) => boolean): Promise<NodeJS.Signals | number> {
  const child = spawn(
    process.execPath,
    [
      '--disable-warning=TimeoutNegativeWarning',
      fileURLToPath(new URL('./pairs-child.ts', import.meta.url)),
      JSON.stringify(config),
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  if (config.dieAt === null)
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (isDue((JSON.parse(line) as { sent: number }).sent)) child.kill('SIGKILL');
    });
  else child.stdout.resume();
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  return signal ?? code ?? -1;
}

test(`each pair is on its topic once, wherever its joiner dies (seed ${seed})`, { timeout: TIMEOUT_MS }, async () => {
  const random = seededRandom(seed);
  const labelSet = `killed_${randomUUID().slice(0, 8)}`;
  const rule = pairRule(labelSet);
  const topic = `${labelSet}.pairs`;
  for (const side of ['decisions', 'outcomes'] as const) await kafka.createTopic(rule[side].topic!, PARTITIONS[side]);
  await kafka.createTopic(topic, 2);
  const logs: Record<Side, (LoggedEvent | null)[][]> = { decisions: [[], []], outcomes: [[], []] };
  let nowUs = START_US;
  const said: Record<Side, LoggedEvent[]> = { decisions: [], outcomes: [] };
  const say = async (side: Side, count: number): Promise<void> => {
    const events = Array.from({ length: count }, (): LoggedEvent | null => {
      nowUs += random.int(0, 60_000);
      if (random.chance(0.02)) return null;
      if (said[side].length > 0 && random.chance(0.05)) return random.pick(said[side].slice(-200));
      const timeUs = nowUs - (random.chance(0.2) ? random.int(0, 2 * HORIZON_US) : 0);
      const event = {
        id: `${side[0]}${said[side].length}`,
        timeUs,
        key: random.chance(0.03) ? null : `k${random.int(0, 60)}`,
      };
      said[side].push(event);
      return event;
    });
    const messages = events.map((event) => {
      const { key, value, timestampUs } = recordOf(event);
      const partition = event === null ? 0 : Number(event.id.slice(1)) % PARTITIONS[side];
      logs[side][partition]!.push(event);
      return { partition, key, value, timestamp: String(timestampUs / 1000 - ((timestampUs / 1000) % 1)) };
    });
    await kafka.producer.send({ topic: rule[side].topic!, messages });
  };

  const deaths = DEATHS.map((death) => ({ death, at: random.real() })).toSorted((a, b) => a.at - b.at);
  let attemptMs = 0;
  const config = (dieAt: PairsChildConfig['dieAt']): PairsChildConfig => ({
    databaseUrl: database.databaseUrl,
    brokers: inject('stack').kafkaBrokers,
    labelSet,
    topic,
    attemptMs: ++attemptMs,
    dieAt,
  });
  // The first life makes what later ones have to sweep.
  await say('decisions', 80);
  await say('outcomes', 80);
  for (const { death } of deaths) {
    nowUs += 30_000_000;
    await say('outcomes', 60);
    await say('decisions', 120);
    await say('outcomes', 120);
    const sent = random.int(1, 25);
    const ended =
      death === 'anywhere'
        ? await live(config(null), (so) => so >= sent)
        : await live(config({ point: death, time: random.int(1, 3) }), () => false);
    expect([death, ended]).toEqual([death, 'SIGKILL']);
  }

  const writer = createKafkaLogWriter({ brokers: inject('stack').kafkaBrokers, clientId: 'test' });
  const result = await runPairs({
    rule,
    topic,
    pool: database.pool,
    reader: kafka.reader,
    pairsReader: kafka.reader,
    writer,
    clock: systemClock,
    until: 'present-end',
    fence: { generation: 1, attemptMs: ++attemptMs, owner: 'last' },
  });
  await writer.close();
  expect(result.ended).toBe('present-end');
  const expected = pairsOf(logs.decisions, logs.outcomes, { horizonUs: HORIZON_US, latenessUs: HORIZON_US });
  expect(expected.length).toBeGreaterThan(200);
  expect(await pairsOn(topic)).toEqual(expected);
  expect((await pairsStatus(database.pool, labelSet, topic)).figures).toMatchObject({
    pairs: expected.length,
    outbox: 0,
    lag: { decisions: 0, outcomes: 0 },
  });
});

/** The pairs of a topic, as often as they stand there, in the order of their texts. */
async function pairsOn(topic: string): Promise<string[]> {
  const { partitions } = await kafka.reader.bounds(topic);
  const pairs: string[] = [];
  const read = kafka.reader.read({
    topic,
    positions: new Map(partitions.map(({ partition, lowOffset }) => [partition, lowOffset])),
    ends: new Map(partitions.map(({ partition, endOffset }) => [partition, endOffset])),
  });
  for await (const { records } of read)
    for (const { value } of records) {
      const { decision, outcome } = JSON.parse(Buffer.from(value!).toString()) as Record<
        'decision' | 'outcome',
        { readonly id: string; readonly at: string }
      >;
      const text = ({ id, at }: typeof decision): string =>
        `${id}@${Date.parse(`${at.slice(0, 23)}Z`) * 1000 + Number(at.slice(23, 26))}`;
      pairs.push(`${text(decision)} ${text(outcome)}`);
    }
  return pairs.toSorted();
}
