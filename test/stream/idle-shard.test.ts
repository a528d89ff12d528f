import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest';
import { runStream } from '../../engine/stream/run-stream.ts';
import type { StreamProgress } from '../../engine/stream/stream-options.ts';
import { createMemoryLogReader, MemoryBroker } from './memory-log.ts';
import { openStreamDatabase, publishEmptyVersion, testClock } from './stream-fixture.ts';
import { purchaseBytes, spendingView } from './stream-view.ts';

const TOPIC = 'purchases';
let database: Awaited<ReturnType<typeof openStreamDatabase>>;
beforeAll(async () => {
  database = await openStreamDatabase(inject('stack').databaseUrl);
});
afterAll(() => database.close());

test('a shard that has no partition of the topic waits for one, and claims no more meanwhile', async () => {
  const broker = new MemoryBroker();
  broker.createTopic(TOPIC, 2);
  const view = spendingView({ topic: TOPIC });
  const version = await publishEmptyVersion(database.pool, view, broker.bounds(TOPIC));
  const stop = new AbortController();
  const seen: StreamProgress[] = [];
  const running = runStream({
    view,
    version,
    pool: database.pool,
    reader: createMemoryLogReader(broker),
    fence: { generation: 1, attemptMs: 1, owner: 'test' },
    partitions: (partition) => partition === 2,
    until: 'forever',
    clock: testClock,
    limits: { boundsEveryMs: 10, progressEveryMs: 5 },
    signal: stop.signal,
    onProgress: (progress) => void seen.push(progress),
  });
  await vi.waitUntil(() => seen.filter(({ state }) => state === 'running').length > 10, { timeout: 60_000 });
  // A claim that ends by itself is one that failed: it would be made again and again, each time alone.
  expect(seen.filter(({ state }) => state === 'waiting')).toEqual([]);
  broker.addPartition(TOPIC);
  const value = purchaseBytes({ id: 'new', at: new Date(7_000).toISOString(), customer: 'c1', amount: 3 });
  broker.append(TOPIC, 2, [{ value, timestampUs: 7_000_000 }]);
  await vi.waitUntil(() => seen.at(-1)!.records === 1, { timeout: 60_000 });
  stop.abort();
  expect(await running).toMatchObject({ ended: 'aborted', records: 1 });
});
