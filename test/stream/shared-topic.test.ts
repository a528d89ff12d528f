import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { viewVersion } from '../../engine/postgres/view-versions.ts';
import { createViewReducer } from '../../engine/state/create-view-reducer.ts';
import { checkStatesUnchanged } from '../../engine/stream/check-states.ts';
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
  const { layout } = view;
  const key = ['c0'];
  const states = [0, 1].map((seq) => ({
    bytes: new Uint8Array(),
    entry: {
      keyText: 'c0',
      key,
      state: createViewReducer(layout).empty(),
      touchedBy: 1,
      seq,
      commitId: null,
      bytes: 0,
    },
  }));
  const { stateTable } = (await viewVersion(database.pool, view.name, version))!;
  await expect(checkStatesUnchanged(database.pool, stateTable, layout, states)).rejects.toMatchObject({
    code: 'state-conflict',
    retryable: true,
  });
  expect(await stateBytes(database.pool, view, version)).toEqual((await replayTopic(view, reader)).states);
});

test('a version without offsets for its topic is not streamed', async () => {
  const broker = new MemoryBroker();
  broker.createTopic(TOPIC, 1);
  const view = spendingView({ topic: TOPIC });
  const version = await publishEmptyVersion(database.pool, view, { ...broker.bounds(TOPIC), partitions: [] });
  const running = runStream({
    view,
    version,
    pool: database.pool,
    reader: createMemoryLogReader(broker),
    clock: testClock,
    until: 'present-end',
    fence: { generation: 1, attemptMs: 1, owner: 'test' },
  });
  await expect(running).rejects.toMatchObject({ code: 'stream-not-prepared' });
});
