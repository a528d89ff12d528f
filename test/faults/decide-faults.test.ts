import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { seededRandom } from '../../soak/random.ts';
import { type KafkaFixture, openKafka } from '../kafka/kafka-fixture.ts';
import type { DecideChildConfig } from './decide-child.ts';

const TIMEOUT_MS = 300_000;
const LIVES = 4;
const seed = Number(process.env['LAW_SEED'] ?? Date.now() % 2 ** 31);
const suffix = randomUUID().slice(0, 8);
const topics = { decisionsTopic: `choices-${suffix}`, outcomesTopic: `clicks-${suffix}` };

let kafka: KafkaFixture;
beforeAll(async () => {
  kafka = await openKafka(inject('stack').kafkaBrokers);
  for (const topic of Object.values(topics)) await kafka.createTopic(topic, 3);
}, TIMEOUT_MS);
afterAll(() => kafka.close());

/** Lets an application decide until so many sends were acknowledged, kills it, and gives what was acknowledged by then. */
async function killedAfter(sends: number, life: string): Promise<string[]> {
  const { databaseUrl, kafkaBrokers: brokers } = inject('stack');
  const config: DecideChildConfig = { databaseUrl, brokers, ...topics, life };
  const child = spawn(
    process.execPath,
    [
      '--disable-warning=TimeoutNegativeWarning',
      fileURLToPath(new URL('./decide-child.ts', import.meta.url)),
      JSON.stringify(config),
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const acknowledged: string[] = [];
  let lines = 0;
  createInterface({ input: child.stdout }).on('line', (line) => {
    acknowledged.push(...line.split(' '));
    if (++lines === sends) child.kill('SIGKILL');
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  expect([code, signal]).toEqual([null, 'SIGKILL']);
  return acknowledged;
}

async function idsOn(topic: string, field: 'decision_id' | 'outcome_id'): Promise<string[]> {
  const { partitions } = await kafka.reader.bounds(topic);
  const ids: string[] = [];
  const read = kafka.reader.read({
    topic,
    positions: new Map(partitions.map(({ partition, lowOffset }) => [partition, lowOffset])),
    ends: new Map(partitions.map(({ partition, endOffset }) => [partition, endOffset])),
  });
  for await (const { records } of read)
    for (const { value } of records)
      ids.push((JSON.parse(Buffer.from(value!).toString()) as Record<string, string>)[field]!);
  return ids;
}

test(`of an application that is killed all that was acknowledged is there, and nothing twice (seed ${seed})`, {
  timeout: TIMEOUT_MS,
}, async () => {
  const random = seededRandom(seed);
  const acknowledged: string[] = [];
  for (let life = 0; life < LIVES; life++) acknowledged.push(...(await killedAfter(random.int(1, 60), `life${life}`)));
  const decided = await idsOn(topics.decisionsTopic, 'decision_id');
  const heard = await idsOn(topics.outcomesTopic, 'outcome_id');
  const there = [...decided, ...heard];
  expect(acknowledged.length).toBeGreaterThan(LIVES);
  expect(new Set(there).size).toBe(there.length);
  const isThere = new Set(there);
  expect(acknowledged.filter((id) => !isThere.has(id))).toEqual([]);
  // And nothing that nobody said.
  expect(there.filter((id) => !/^life\d-[do]\d+-\d+$/.test(id))).toEqual([]);
});
