import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import { createKafkaLogReader } from '../../engine/kafka/kafkajs-log-reader.ts';
import { intakeMemory } from '../../engine/memory/intake-memory.ts';
import { MemoryBudget } from '../../engine/memory/memory-budget.ts';
import { memoryShares } from '../../engine/memory/memory-shares.ts';
import { runStream } from '../../engine/stream/run-stream.ts';
import type { RunStreamOptions, StreamProgress } from '../../engine/stream/stream-options.ts';
import type { LogReader } from '../../engine/topic/log-reader.ts';
import { type KafkaFixture, openKafka } from '../kafka/kafka-fixture.ts';
import { createMemoryLogReader, MemoryBroker } from './memory-log.ts';
import { catalogRows, openStreamDatabase, publishEmptyVersion, stateBytes, testClock } from './stream-fixture.ts';
import { type Purchase, purchaseBytes, spendingView } from './stream-view.ts';

const MB = 2 ** 20;
const LARGE = 900_000;

let database: Awaited<ReturnType<typeof openStreamDatabase>>;
let kafka: KafkaFixture;
beforeAll(async () => {
  database = await openStreamDatabase(inject('stack').databaseUrl);
  kafka = await openKafka(inject('stack').kafkaBrokers);
});
afterAll(async () => {
  await kafka.close();
  await database.close();
});

const purchase = (index: number): Purchase & { note?: string } => ({
  id: `id-${index}`,
  at: new Date(index * 1000).toISOString(),
  customer: `c${index % 40}`,
  amount: index === 13 ? 14 : index,
});

/** The reader, and how many bytes of values it has given out. */
function counting(reader: LogReader): LogReader & { readonly given: number } {
  let given = 0;
  return {
    get given() {
      return given;
    },
    bounds: (topic) => reader.bounds(topic),
    recordAt: (topic, partition, offset) => reader.recordAt(topic, partition, offset),
    reportOffsets: (groupId, topic, offsets) => reader.reportOffsets(groupId, topic, offsets),
    close: () => reader.close(),
    read: async function* (options) {
      for await (const batch of reader.read(options)) {
        for (const { value } of batch.records) given += value?.length ?? 0;
        yield batch;
      }
    },
  };
}

let attemptMs = 0;
function options(more: Pick<RunStreamOptions, 'view' | 'version' | 'reader'> & Partial<RunStreamOptions>) {
  return {
    pool: database.pool,
    fence: { generation: 1, attemptMs: ++attemptMs, owner: 'test' },
    until: 'present-end' as const,
    clock: testClock,
    ...more,
  };
}

describe('the memory of a stream', () => {
  test('300 records of 1 MB: while a transaction takes its time no more is taken in than there is memory for', async () => {
    const topic = `large-${process.pid}-${Math.floor(performance.timeOrigin)}`;
    await kafka.createTopic(topic, 2);
    const records = 300;
    for (let index = 0; index < records; index += 2)
      await Promise.all(
        [0, 1].map((partition) =>
          kafka.send(topic, partition, [JSON.stringify({ ...purchase(index + partition), note: 'n'.repeat(LARGE) })]),
        ),
      );
    const intake = { heap: 4 * MB, buffers: 12 * MB };
    const memory = new MemoryBudget({ ...memoryShares(1024), intake });
    const log = createKafkaLogReader({ brokers: inject('stack').kafkaBrokers, clientId: 'large', memory });
    const reader = counting(log);
    const view = spendingView({ topic, source: { brokerTime: 'none' } });
    const version = await publishEmptyVersion(database.pool, view, await log.bounds(topic));
    let isFirst = true;
    let givenMeanwhile = 0;
    const result = await runStream(
      options({
        view,
        version,
        reader,
        memory,
        failAt: async (point) => {
          if (point !== 'before-commit' || !isFirst) return;
          isFirst = false;
          let unchanged = 0;
          await vi.waitUntil(
            () => {
              unchanged = reader.given === givenMeanwhile ? unchanged + 1 : 0;
              givenMeanwhile = reader.given;
              return givenMeanwhile > 0 && unchanged === 10;
            },
            { timeout: 60_000 },
          );
        },
      }),
    );
    expect(givenMeanwhile).toBeGreaterThan(0);
    expect(givenMeanwhile).toBeLessThanOrEqual(intake.buffers);
    expect(result).toMatchObject({ ended: 'present-end', records });
    expect(intakeMemory(memory).usedBytes).toBe(0);
    expect(memory.usedBytes).toBe(0);
    await log.close();
  });

  test('micro-batches close by bytes, and one record is one however large it is', async () => {
    const broker = new MemoryBroker();
    broker.createTopic('sized', 1);
    const lengths = [10, 20_000, 10, 10, 50_000, 3_000, 3_000, 3_000, 10];
    broker.append(
      'sized',
      0,
      lengths.map((length, index) => ({
        value: Buffer.from(JSON.stringify({ ...purchase(index), note: 'n'.repeat(length) })),
        timestampUs: index * 1_000_000,
      })),
    );
    const view = spendingView({ topic: 'sized' });
    const version = await publishEmptyVersion(database.pool, view, broker.bounds('sized'));
    const reader = createMemoryLogReader(broker);
    await runStream(options({ view, version, reader, limits: { batchBytes: 10_000, batchMs: 1 } }));
    const commits = await catalogRows(database.pool, 'commit_record', 'spending', version);
    const spans = commits.map(({ from_offset: from, until_offset: until }) => [Number(from), Number(until)] as const);
    for (const [from, until] of spans) {
      const bytes = lengths.slice(from, until).reduce((sum, length) => sum + length, 0);
      expect(until - from === 1 || bytes <= 10_000, `${from} to ${until}`).toBe(true);
    }
    expect(spans.some(([from, until]) => until - from > 1)).toBe(true);
    expect(spans.map(([from]) => from).toSorted((a, b) => a - b)[0]).toBe(0);
    expect(Math.max(...spans.map(([, until]) => until))).toBe(lengths.length);
  });

  test('waits for its turn, says what for, and goes on; what it held is given back', async () => {
    const broker = new MemoryBroker();
    broker.createTopic('turn', 1);
    broker.append(
      'turn',
      0,
      Array.from({ length: 50 }, (_, index) => ({ value: purchaseBytes(purchase(index)) })),
    );
    const view = spendingView({ topic: 'turn' });
    const version = await publishEmptyVersion(database.pool, view, broker.bounds('turn'));
    const reader = createMemoryLogReader(broker);
    const memory = new MemoryBudget(memoryShares(1024));
    const other = await memory.reserve({ heap: memory.limits.heap }, 'backfill of others');
    const seen: StreamProgress[] = [];
    const running = runStream(
      options({
        view,
        version,
        reader,
        memory,
        limits: { progressEveryMs: 20 },
        onProgress: (each) => seen.push(each),
      }),
    );
    await vi.waitUntil(() => seen.some(({ state }) => state === 'waiting'));
    const waits = seen.find(({ state }) => state === 'waiting')!;
    expect(waits.waiting?.code).toBe('memory-in-use');
    expect(waits.waitingFor).toMatch(/waiting for 13 MB of memory: it is held by backfill of others/);
    other.release();
    expect(await running).toMatchObject({ ended: 'present-end', records: 50 });
    expect(memory.usedBytes).toBe(0);
    // One that is told to stop while it waits does so.
    const again = await memory.reserve({ heap: memory.limits.heap }, 'backfill of others');
    const stop = new AbortController();
    const stopped = runStream(
      options({
        view,
        version,
        reader,
        memory,
        signal: stop.signal,
        until: 'forever',
        limits: { progressEveryMs: 20 },
      }),
    );
    await vi.waitUntil(() => memory.waiting().length === 1);
    stop.abort();
    expect((await stopped).ended).toBe('aborted');
    again.release();
    expect(memory.usedBytes).toBe(0);
  });

  test('ids that outgrow what is to be had end the claim, and it goes on in its turn', async () => {
    const broker = new MemoryBroker();
    broker.createTopic('ids', 1);
    const records = 90_000;
    broker.append(
      'ids',
      0,
      Array.from({ length: records }, (_, index) => ({
        value: purchaseBytes({ ...purchase(index), at: new Date(1e12).toISOString() }),
        timestampUs: 1e15,
      })),
    );
    const view = spendingView({ topic: 'ids', lifetime: false });
    const version = await publishEmptyVersion(database.pool, view, broker.bounds('ids'));
    const reader = createMemoryLogReader(broker);
    const memory = new MemoryBudget(memoryShares(1024));
    // What is left is enough to begin, and not for the ids of 90,000 records.
    const other = await memory.reserve({ buffers: memory.limits.buffers - 6.5 * MB }, 'backfill of others');
    const seen: StreamProgress[] = [];
    const running = runStream(
      options({
        view,
        version,
        reader,
        memory,
        limits: { progressEveryMs: 20 },
        onProgress: (each) => seen.push(each),
      }),
    );
    await vi.waitUntil(() => seen.some(({ state }) => state === 'waiting'), { timeout: 60_000 });
    expect(seen.find(({ state }) => state === 'waiting')?.waiting?.code).toBe('memory-in-use');
    other.release();
    const result = await running;
    expect(result).toMatchObject({ ended: 'present-end', records });
    expect((await stateBytes(database.pool, view, version)).length).toBe(40);
    expect(memory.usedBytes).toBe(0);
  });
});
