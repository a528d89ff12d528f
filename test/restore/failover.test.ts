import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest';
import type pg from 'pg';
import { runStream } from '../../engine/stream/run-stream.ts';
import { createMemoryLogReader, MemoryBroker } from '../stream/memory-log.ts';
import { replayTopic } from '../stream/replay.ts';
import { openStreamDatabase, publishEmptyVersion, stateBytes, testClock } from '../stream/stream-fixture.ts';
import { purchaseBytes, spendingView } from '../stream/stream-view.ts';
import { wentBack } from '../../engine/stream/went-back.ts';
import { backUp, goBackTo } from './rewind.ts';

const TOPIC = 'purchases';
let database: Awaited<ReturnType<typeof openStreamDatabase>>;
beforeAll(async () => {
  database = await openStreamDatabase(inject('stack').databaseUrl);
});
afterAll(() => database.close());

function purchases(broker: MemoryBroker, partition: number, from: number, until: number): void {
  for (let n = from; n < until; n++) {
    const value = purchaseBytes({
      id: `${partition}-${n}`,
      at: '2026-01-01T00:00:00Z',
      customer: `c${n % 5}`,
      amount: 1,
    });
    broker.append(TOPIC, partition, [{ value, timestampUs: 1_767_225_600_000_000 }]);
  }
}

async function offsets(pool: pg.Pool, version: number): Promise<number[]> {
  const { rows } = await pool.query<{ next: number }>(
    'SELECT next_offset::int AS next FROM millrace_catalog.stream_offset WHERE version = $1 ORDER BY partition',
    [version],
  );
  return rows.map(({ next }) => next);
}

// The database loses what one partition had brought; then records come on the other one first, of the same entities: states that are
// ahead of what the database has must not be written over it.
for (const shards of [[[0, 1]], [[0], [1]]] as const) {
  test(`a failover that loses commits under ${shards.length} running streams neither loses a record nor counts one twice`, async () => {
    const { pool } = database;
    const broker = new MemoryBroker();
    broker.createTopic(TOPIC, 2);
    const view = spendingView({ topic: TOPIC });
    const reader = createMemoryLogReader(broker, () => 20);
    const version = await publishEmptyVersion(pool, view, broker.bounds(TOPIC));
    const stop = new AbortController();
    const waited = new Set<string>();
    const running = shards.map((partitions, index) =>
      runStream({
        view,
        version,
        pool,
        reader,
        partitions: shards.length === 1 ? undefined : partitions,
        clock: testClock,
        until: 'forever',
        signal: stop.signal,
        fence: { generation: 1, attemptMs: 1, owner: `shard-${index}` },
        limits: { batchMs: 1, boundsEveryMs: 50, retryMinMs: 1, retryMaxMs: 20, progressEveryMs: 1 },
        onProgress: ({ waitingFor = '' }) => void waited.add(waitingFor),
      }),
    );
    const passed = (...wanted: number[]): Promise<void> =>
      vi.waitFor(async () => expect(await offsets(pool, version)).toEqual(wanted), { timeout: 30_000, interval: 20 });
    purchases(broker, 0, 0, 50);
    purchases(broker, 1, 0, 50);
    await passed(50, 50);
    const backup = await backUp(pool);
    purchases(broker, 0, 50, 80);
    await passed(80, 50);
    await goBackTo(pool, backup);
    purchases(broker, 1, 50, 60);
    // Also where nothing comes on the partition that has lost its records.
    await passed(80, 60);
    stop.abort();
    for (const { ended } of await Promise.all(running)) expect(ended).toBe('aborted');
    expect(await stateBytes(pool, view, version)).toEqual((await replayTopic(view, reader)).states);
    // What the streams said while they claimed again.
    const error = wentBack(view.name, version, '');
    expect(error).toMatchObject({ code: 'database-went-back', retryable: true });
    const said = [...waited].filter((what) => what.startsWith(error.message));
    expect(said).not.toEqual([]);
  });
}
