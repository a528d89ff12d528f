import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createKafkaLogWriter } from '../../engine/kafka/kafkajs-log-writer.ts';
import type { PairsProgress, Side } from '../../engine/pairs/pairs-options.ts';
import { runPairs } from '../../engine/pairs/run-pairs.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { type KafkaFixture, openKafka } from '../kafka/kafka-fixture.ts';
import { type LoggedEvent, pairsOf } from '../oracle/pairs-oracle.ts';
import { openStreamDatabase } from '../stream/stream-fixture.ts';
import type { PairsChildConfig } from './pairs-child.ts';
import { HORIZON_US, pairRule, recordOf, START_US } from './pairs-world.ts';

const PARTITIONS = 2;
const RECORDS = 1_500;
const labelSet = `killed_${randomUUID().slice(0, 8)}`;
const topic = `${labelSet}.pairs`;
const rule = pairRule(labelSet, '20s');
const { kafkaBrokers: brokers, databaseUrl: serverUrl } = inject('stack');
const writer = createKafkaLogWriter({ brokers, clientId: 'test' });

let kafka: KafkaFixture;
let database: Awaited<ReturnType<typeof openStreamDatabase>>;
beforeAll(async () => {
  kafka = await openKafka(brokers);
  database = await openStreamDatabase(serverUrl);
  for (const name of [rule.decisions.topic!, rule.outcomes.topic!, topic]) await kafka.createTopic(name, PARTITIONS);
});
afterAll(async () => {
  await writer.close();
  await kafka.close();
  await database.close();
});

/** Decisions and outcomes of many keys; of each seventh outcome twice. */
function logOf(side: Side): LoggedEvent[][] {
  const partitions: LoggedEvent[][] = Array.from({ length: PARTITIONS }, () => []);
  for (let index = 0; index < RECORDS; index++) {
    const timeUs = START_US + index * 10_000 + (side === 'outcomes' ? 3_000_000 : 0);
    const event = { id: `${side[0]}${index}`, timeUs, key: `k${index % 400}` };
    const partition = partitions[index % PARTITIONS]!;
    partition.push(event);
    if (index % 7 === 0) partition.push(event);
  }
  return partitions;
}

/** Joins in a process of its own, and kills it once it has made some more pairs. */
async function joinAndDie(attemptMs: number, morePairs: number): Promise<void> {
  const config: PairsChildConfig = { databaseUrl: database.databaseUrl, brokers, labelSet, attemptMs };
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL('pairs-child.ts', import.meta.url)), JSON.stringify(config)],
    { stdio: ['ignore', 'pipe', 'inherit'], env: { PATH: process.env['PATH'] ?? '' } },
  );
  const exited = once(child, 'exit');
  for await (const line of createInterface({ input: child.stdout })) {
    const { pairs, sent } = JSON.parse(line) as PairsProgress;
    if (pairs >= morePairs || sent >= morePairs) break;
  }
  child.kill('SIGKILL');
  const [, signal] = (await exited) as [number | null, string | null];
  expect(signal).toBe('SIGKILL');
}

test('a joiner that is killed again and again leaves each pair on the topic, once', { timeout: 300_000 }, async () => {
  const logs = { decisions: logOf('decisions'), outcomes: logOf('outcomes') };
  for (const side of ['decisions', 'outcomes'] as const)
    for (const [partition, events] of logs[side].entries()) {
      const messages = events.map((event) => {
        const { key, value, timestampUs } = recordOf(event);
        return { partition, key, value, timestamp: String(timestampUs / 1000) };
      });
      await kafka.producer.send({ topic: rule[side].topic!, messages });
    }
  for (const [life, morePairs] of [1, 60, 150, 40].entries()) await joinAndDie(life + 1, morePairs);
  const { ended } = await runPairs({
    rule,
    topic,
    pool: database.pool,
    reader: kafka.reader,
    pairsReader: kafka.reader,
    writer,
    clock: systemClock,
    until: 'present-end',
    fence: { generation: 1, attemptMs: 100, owner: 'last' },
  });
  expect(ended).toBe('present-end');
  const expected = pairsOf(logs.decisions, logs.outcomes, { horizonUs: HORIZON_US, latenessUs: 20_000_000 });
  const bounds = await kafka.reader.bounds(topic);
  const ids = new Map<string, string>();
  let records = 0;
  const read = kafka.reader.read({
    topic,
    positions: new Map(bounds.partitions.map(({ partition, lowOffset }) => [partition, lowOffset])),
    ends: new Map(bounds.partitions.map(({ partition, endOffset }) => [partition, endOffset])),
  });
  for await (const batch of read)
    for (const { value } of batch.records) {
      const text = Buffer.from(value!).toString();
      const { pair_id: id } = JSON.parse(text) as { pair_id: string };
      // What is there twice is there with the same bytes.
      expect(ids.get(id) ?? text).toBe(text);
      ids.set(id, text);
      records++;
    }
  expect(ids.size).toBe(expected.length);
  // A send that was under way as its process died may reach the broker after the next one has read back.
  expect(records - ids.size).toBeLessThanOrEqual(4 * 7);
});
