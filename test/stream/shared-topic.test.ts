import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { runStream } from '../../engine/stream/run-stream.ts';
import { createMemoryLogReader, MemoryBroker } from './memory-log.ts';
import { replayTopic } from './replay.ts';
import { openStreamDatabase, publishEmptyVersion, stateBytes, testClock } from './stream-fixture.ts';
import { purchaseBytes, spendingView } from './stream-view.ts';

const TOPIC = 'purchases';
let database: Awaited<ReturnType<typeof openStreamDatabase>>;
beforeAll(async () => {
  database = await openStreamDatabase(inject('stack').databaseUrl);
});
afterAll(() => database.close());

test('two runs that share the partitions of a topic, and its entities, lose no update', async () => {
  const broker = new MemoryBroker();
  broker.createTopic(TOPIC, 4);
  for (let index = 0; index < 1200; index++) {
    const value = purchaseBytes({
      id: `id-${index}`,
      at: new Date(index * 1000).toISOString(),
      customer: `c${index % 11}`,
      amount: index,
    });
    broker.append(TOPIC, index % 4, [{ value, timestampUs: index * 1_000_000 }]);
  }
  const view = spendingView({ topic: TOPIC });
  const reader = createMemoryLogReader(broker, () => 20);
  const version = await publishEmptyVersion(database.pool, view, broker.bounds(TOPIC));
  const conflicts: string[] = [];
  const run = (partitions: number[]) =>
    runStream({
      view,
      version,
      pool: database.pool,
      reader,
      partitions,
      clock: testClock,
      until: 'present-end',
      fence: { generation: 1, attemptMs: 1, owner: `shard-${partitions[0]}` },
      limits: { batchRecords: 60, maxBatchRecords: 60, retryMinMs: 1, retryMaxMs: 20, progressEveryMs: 2 },
      onProgress: ({ waitingFor }) => void (waitingFor !== undefined && conflicts.push(waitingFor)),
    });
  const results = await Promise.all([run([0, 2]), run([1, 3])]);
  expect(results.map(({ ended, records }) => [ended, records])).toEqual([
    ['present-end', 600],
    ['present-end', 600],
  ]);
  // Both write all eleven entities: without the check one would have overwritten the other's sums.
  expect(conflicts.some((message) => message.includes('changed the state of'))).toBe(true);
  expect(await stateBytes(database.pool, view, version)).toEqual((await replayTopic(view, reader)).states);
});
