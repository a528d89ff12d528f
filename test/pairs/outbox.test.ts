import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type OutboxFailPoint, outboxHasRoom, OutboxSender } from '../../engine/pairs/outbox.ts';
import { outboxFill, outboxTopics, writeToOutbox } from '../../engine/postgres/outbox.ts';
import { withTransaction } from '../../engine/postgres/transaction.ts';
import { createMemoryLogReader, MemoryBroker } from '../stream/memory-log.ts';
import { openStreamDatabase } from '../stream/stream-fixture.ts';
import { createMemoryLogWriter } from './memory-writer.ts';

const PARTITIONS = 3;
const seed = Number(process.env['LAW_SEED'] ?? Date.now() % 2 ** 31);

let database: Awaited<ReturnType<typeof openStreamDatabase>>;
let pool: pg.Pool;
beforeAll(async () => {
  database = await openStreamDatabase(inject('stack').databaseUrl);
  ({ pool } = database);
});
afterAll(() => database.close());

class Crash extends Error {}

/** The same numbers for the same seed. */
function randomFrom(start: number): () => number {
  let state = start >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

let topics = 0;

function newTopic(): { topic: string; broker: MemoryBroker } {
  const topic = `derived_${++topics}`;
  const broker = new MemoryBroker();
  broker.createTopic(topic, PARTITIONS);
  return { topic, broker };
}

const record = (key: string, index: number) => ({
  key: Buffer.from(key),
  id: `${key}-${index}`,
  value: Buffer.from(JSON.stringify({ id: `${key}-${index}`, index })),
  timestampMs: 1_000 + index,
});

function onTopic(broker: MemoryBroker, topic: string): { key: string; index: number }[] {
  return broker
    .bounds(topic)
    .partitions.flatMap(({ partition, endOffset }) => broker.slice(topic, partition, 0, endOffset).records)
    .map(({ key, value }) => ({ key: Buffer.from(key!).toString(), ...JSON.parse(Buffer.from(value!).toString()) }));
}

async function sendAll(
  topic: string,
  broker: MemoryBroker,
  attemptMs: number,
  more: Partial<ConstructorParameters<typeof OutboxSender>[0]> = {},
): Promise<string> {
  const sender = new OutboxSender({
    topic,
    pool,
    reader: createMemoryLogReader(broker),
    writer: createMemoryLogWriter(broker, PARTITIONS),
    fence: { generation: 1, attemptMs, owner: `sender-${attemptMs}` },
    ...more,
  });
  return await sender.run(new AbortController().signal, { untilEmpty: true });
}

describe('the outbox', { timeout: 300_000 }, () => {
  it('sends what a transaction wrote once it has committed, and nothing of one that did not', async () => {
    const { topic, broker } = newTopic();
    const gone = withTransaction(pool, async (client) => {
      await writeToOutbox(client, topic, [record('a', 0)]);
      throw new Crash();
    });
    await expect(gone).rejects.toBeInstanceOf(Crash);
    await withTransaction(pool, (client) => writeToOutbox(client, topic, [record('a', 1), record('b', 2)]));
    expect(await outboxFill(pool, topic)).toMatchObject({ rows: 2, sent: 0 });
    const [told] = (await outboxTopics(pool)).filter((each) => each.topic === topic);
    expect(told?.oldestAgeS).toBeGreaterThanOrEqual(0);
    expect(await sendAll(topic, broker, 1)).toBe('empty');
    expect(
      onTopic(broker, topic)
        .map(({ index }) => index)
        .toSorted(),
    ).toEqual([1, 2]);
    expect(await outboxFill(pool, topic)).toEqual({ rows: 0, bytes: 0, sent: 2 });
    expect((await outboxTopics(pool)).find((each) => each.topic === topic)?.oldestAgeS).toBeNull();
  });

  it(`has every record on the topic once and in the order of its key, wherever senders die and answers are lost (seed ${seed})`, async () => {
    const random = randomFrom(seed);
    const points: readonly OutboxFailPoint[] = ['before-send', 'after-send', 'after-mark'];
    for (let round = 0; round < 12; round++) {
      const { topic, broker } = newTopic();
      const written: { key: string; index: number }[] = [];
      let index = 0;
      for (let life = 1, left = 6; left > 0; life++) {
        for (let batch = Math.floor(random() * 4); batch > 0; batch--) {
          const records = Array.from({ length: Math.floor(random() * 12) }, () =>
            record(`k${Math.floor(random() * 4)}`, index++),
          );
          await withTransaction(pool, (client) => writeToOutbox(client, topic, records));
          written.push(...records.map(({ id, key }) => ({ key: key.toString(), index: Number(id.split('-')[1]) })));
        }
        const dies = random() < 0.7 ? points[Math.floor(random() * 3)] : undefined;
        const after = Math.floor(random() * 4);
        let passed = 0;
        const hows = (['write', 'write', 'lose-answer', 'refuse'] as const).toSorted(() => random() - 0.5);
        let sends = 0;
        const ended = sendAll(topic, broker, life, {
          limits: { sendRecords: 1 + Math.floor(random() * 9), retryMinMs: 1, retryMaxMs: 2 },
          writer: createMemoryLogWriter(broker, PARTITIONS, () => hows[sends++] ?? 'write'),
          failAt: (point) => {
            if (point === dies && passed++ === after) throw new Crash();
          },
        });
        try {
          expect(await ended).toBe('empty');
          left--;
        } catch (error) {
          expect(error).toBeInstanceOf(Crash);
        }
      }
      await sendAll(topic, broker, 1_000);
      const found = onTopic(broker, topic);
      expect(found).toHaveLength(written.length);
      for (const key of new Set(written.map((each) => each.key)))
        expect(found.filter((each) => each.key === key).map((each) => each.index)).toEqual(
          written.filter((each) => each.key === key).map((each) => each.index),
        );
      expect(await outboxFill(pool, topic)).toEqual({ rows: 0, bytes: 0, sent: written.length });
    }
  });

  it("is one sender's: an older token ends superseded, and marks nothing that it had sent", async () => {
    const { topic, broker } = newTopic();
    await withTransaction(pool, (client) => writeToOutbox(client, topic, [record('a', 0)]));
    const old = sendAll(topic, broker, 1, {
      failAt: async (point) => {
        if (point === 'after-send') expect(await sendAll(topic, broker, 2)).toBe('empty');
      },
    });
    expect(await old).toBe('superseded');
    expect(await sendAll(topic, broker, 1)).toBe('superseded');
    expect(onTopic(broker, topic)).toHaveLength(1);
    expect(await outboxFill(pool, topic)).toEqual({ rows: 0, bytes: 0, sent: 1 });
  });

  it('sends large records a few at a time, and says when it is full', async () => {
    const { topic, broker } = newTopic();
    const large = (index: number) => ({ ...record('a', index), value: Buffer.alloc(1_000, `${index}`) });
    await withTransaction(pool, (client) => writeToOutbox(client, topic, [large(0), large(1), large(2)]));
    expect(await outboxHasRoom(pool, topic, { rows: 10, bytes: 3_000 })).toBe(false);
    expect(await outboxHasRoom(pool, topic, { rows: 3, bytes: 1e9 })).toBe(false);
    const sends: number[] = [];
    const writer = createMemoryLogWriter(broker, PARTITIONS, (records) => {
      sends.push(records.length);
      return 'write';
    });
    expect(await sendAll(topic, broker, 1, { writer, limits: { sendBytes: 10 } })).toBe('empty');
    expect(sends).toEqual([1, 1, 1]);
    expect(await outboxHasRoom(pool, topic, { rows: 3, bytes: 3_000 })).toBe(true);
  });

  it('knows nothing of a topic that was made again, and sends what waits', async () => {
    const { topic, broker } = newTopic();
    await withTransaction(pool, (client) => writeToOutbox(client, topic, [record('a', 0)]));
    await sendAll(topic, broker, 1);
    broker.createTopic(topic, PARTITIONS);
    broker.clusterId = 'another';
    await withTransaction(pool, (client) => writeToOutbox(client, topic, [record('a', 1)]));
    await sendAll(topic, broker, 2);
    expect(onTopic(broker, topic).map(({ index }) => index)).toEqual([1]);
  });

  it('ends where the topic is not there, and what waits stays', async () => {
    const { topic } = newTopic();
    await withTransaction(pool, (client) => writeToOutbox(client, topic, [record('a', 0)]));
    await expect(sendAll(topic, new MemoryBroker(), 1)).rejects.toMatchObject({ code: 'topic-not-found' });
    expect(await outboxFill(pool, topic)).toMatchObject({ rows: 1 });
  });
});
