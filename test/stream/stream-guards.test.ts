import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import { fenceStream } from '../../engine/stream/fence-stream.ts';
import { runStream } from '../../engine/stream/run-stream.ts';
import type { FailPoint, RunStreamOptions, StreamProgress } from '../../engine/stream/stream-options.ts';
import { createMemoryLogReader, MemoryBroker } from './memory-log.ts';
import { replayTopic } from './replay.ts';
import { catalogRows, openStreamDatabase, publishEmptyVersion, stateBytes, testClock } from './stream-fixture.ts';
import { purchaseBytes, spendingView } from './stream-view.ts';

const TOPIC = 'purchases';
const NO_CACHE = { decoded: 0, encoded: 0 };
let database: Awaited<ReturnType<typeof openStreamDatabase>>;
beforeAll(async () => {
  database = await openStreamDatabase(inject('stack').databaseUrl);
});
afterAll(() => database.close());

let attempts = 0;

async function prepared(partitions = 2, records = 100, view: CompiledView = spendingView({ topic: TOPIC })) {
  const broker = new MemoryBroker();
  broker.createTopic(TOPIC, partitions);
  fill(broker, partitions, 0, records);
  const reader = createMemoryLogReader(broker, () => 10);
  const version = await publishEmptyVersion(database.pool, view, broker.bounds(TOPIC));
  const options = (more: Partial<RunStreamOptions> = {}): RunStreamOptions => ({
    view,
    version,
    pool: database.pool,
    reader,
    fence: { generation: 1, attemptMs: ++attempts, owner: 'test' },
    until: 'present-end',
    clock: testClock,
    limits: {
      batchRecords: 20,
      maxBatchRecords: 20,
      retryMinMs: 1,
      retryMaxMs: 5,
      boundsEveryMs: 10,
      progressEveryMs: 5,
    },
    ...more,
  });
  const expectExact = async (): Promise<void> => {
    const replayed = await replayTopic(view, reader);
    expect(await stateBytes(database.pool, view, version)).toEqual(replayed.states);
    const rows = await catalogRows(database.pool, 'stream_offset', view.name, version);
    const applied = rows.reduce((sum, row) => sum + ((row['counts'] as Record<string, number>)['applied'] ?? 0), 0);
    expect(applied).toBe(replayed.counts.applied);
  };
  return { broker, view, reader, version, options, expectExact };
}

function fill(broker: MemoryBroker, partitions: number, from: number, count: number, customers = 7): void {
  for (let index = from; index < from + count; index++) {
    const value = purchaseBytes({
      id: `id-${index}`,
      at: new Date(index * 1000).toISOString(),
      customer: `c${index % customers}`,
      amount: index % 10,
    });
    broker.append(TOPIC, index % partitions, [{ value, timestampUs: index * 1_000_000 }]);
  }
}

async function codeOf(running: Promise<unknown>): Promise<string> {
  try {
    await running;
  } catch (error) {
    if (error instanceof MillraceError) return error.code;
    throw error;
  }
  return 'no error';
}

/** Resolves at the nth time a point is passed; the run is held there until `release`. */
function holdAt(
  point: FailPoint,
  nth = 1,
): { failAt: RunStreamOptions['failAt']; reached: Promise<void>; release: () => void } {
  const reached = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  let passed = 0;
  return {
    reached: reached.promise,
    release: gate.resolve,
    failAt: async (at) => {
      if (at !== point || ++passed !== nth) return;
      reached.resolve();
      await gate.promise;
    },
  };
}

describe('the fence', () => {
  test('a zombie frozen before its commit is waited for, and writes nothing once it is fenced', async () => {
    const { options, expectExact } = await prepared();
    const hold = holdAt('after-fetch', 2);
    const old = runStream(options({ failAt: hold.failAt }));
    await hold.reached;
    const next = await runStream(options());
    expect(next.ended).toBe('present-end');
    hold.release();
    expect((await old).ended).toBe('superseded');
    await expectExact();
  });

  test('a zombie frozen inside its transaction keeps what it commits, and the next run goes on after it', async () => {
    const { options, expectExact } = await prepared();
    const hold = holdAt('before-commit', 2);
    const old = runStream(options({ failAt: hold.failAt }));
    await hold.reached;
    const next = runStream(options());
    const blocked = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
    await vi.waitUntil(async () => (await database.pool.query(blocked)).rowCount === 1, { timeout: 30_000 });
    hold.release();
    expect((await old).ended).toBe('superseded');
    expect((await next).ended).toBe('present-end');
    await expectExact();
  });

  test('after fenceStream no older token can commit, and a newer generation can', async () => {
    const { options, expectExact, version, view } = await prepared();
    const hold = holdAt('after-fetch', 2);
    const old = runStream(options({ failAt: hold.failAt }));
    await hold.reached;
    await fenceStream({ pool: database.pool, view: view.name, version, generation: 2 });
    const before = await catalogRows(database.pool, 'stream_offset', view.name, version);
    hold.release();
    expect((await old).ended).toBe('superseded');
    expect(await catalogRows(database.pool, 'stream_offset', view.name, version)).toEqual(before);
    expect((await runStream(options())).ended).toBe('superseded');
    expect((await runStream(options({ fence: { generation: 2, attemptMs: 1, owner: 'b' } }))).ended).toBe(
      'present-end',
    );
    await expectExact();
  });

  test('a fenced run takes no partition the topic has gained', async () => {
    const { broker, options, version, view } = await prepared();
    await fenceStream({ pool: database.pool, view: view.name, version, generation: 5 });
    broker.addPartition(TOPIC);
    expect((await runStream(options())).ended).toBe('superseded');
    expect(await catalogRows(database.pool, 'stream_offset', view.name, version)).toHaveLength(2);
  });

  test('an idle run notices that it was fenced', async () => {
    const { options, version, view } = await prepared();
    const caughtUp = Promise.withResolvers<void>();
    const running = runStream(
      options({
        until: 'forever',
        onProgress: ({ records, lag }) => void (records === 100 && lag === 0 && caughtUp.resolve()),
      }),
    );
    await caughtUp.promise;
    await fenceStream({ pool: database.pool, view: view.name, version, generation: 2 });
    expect((await running).ended).toBe('superseded');
  });
});

describe('pause, resume, deadline', () => {
  test('runs that are aborted anywhere lose and double nothing', async () => {
    const { options, expectExact } = await prepared(3, 400);
    let rounds = 0;
    for (;;) {
      const controller = new AbortController();
      let commits = 0;
      const result = await runStream(
        options({
          signal: controller.signal,
          failAt: (point) => void (point === 'after-commit' && ++commits === 2 && controller.abort()),
        }),
      );
      rounds++;
      if (result.ended === 'present-end') break;
      expect(result.ended).toBe('aborted');
    }
    expect(rounds).toBeGreaterThan(3);
    await expectExact();
  });

  test('a run past its deadline ends, and says how far it is behind', async () => {
    const { options, expectExact } = await prepared();
    expect(await runStream(options({ deadlineMs: 0 }))).toMatchObject({ ended: 'deadline', records: 0 });
    const idle = await runStream(options({ until: 'forever', deadlineMs: 300 }));
    expect(idle.ended).toBe('deadline');
    await runStream(options());
    await expectExact();
  });

  test('a refresh ends at the end that was present when it began', async () => {
    const { broker, options, expectExact } = await prepared(2, 100);
    const hold = holdAt('after-fetch');
    const running = runStream(options({ failAt: hold.failAt }));
    await hold.reached;
    fill(broker, 2, 100, 50);
    hold.release();
    expect(await running).toMatchObject({ ended: 'present-end', records: 100 });
    expect(await runStream(options())).toMatchObject({ ended: 'present-end', records: 50 });
    await expectExact();
  });
});

describe('a log that is not what it was', () => {
  test('retention passed the position: offsets-gone', async () => {
    const { broker, options } = await prepared();
    broker.deleteBefore(TOPIC, 1, 7);
    expect(await codeOf(runStream(options()))).toBe('offsets-gone');
  });

  test('retention passes the position while the stream runs: offsets-gone', async () => {
    const { broker, options } = await prepared();
    const hold = holdAt('after-commit', 1);
    const running = runStream(options({ failAt: hold.failAt }));
    await hold.reached;
    broker.deleteBefore(TOPIC, 0, 50);
    broker.deleteBefore(TOPIC, 1, 50);
    hold.release();
    expect(await codeOf(running)).toBe('offsets-gone');
  });

  test('a topic made again is refused, shorter or longer than before', async () => {
    const { broker, options } = await prepared();
    await runStream(options());
    broker.createTopic(TOPIC, 2);
    expect(await codeOf(runStream(options()))).toBe('topic-recreated');
    fill(broker, 2, 5000, 300);
    expect(await codeOf(runStream(options()))).toBe('topic-recreated');
    broker.createTopic(TOPIC, 1);
    fill(broker, 1, 5000, 300);
    expect(await codeOf(runStream(options()))).toBe('topic-recreated');
  });

  test('another cluster is refused', async () => {
    const { broker, options } = await prepared();
    broker.clusterId = 'another';
    expect(await codeOf(runStream(options()))).toBe('cluster-changed');
  });

  test('a partition gained while streaming is read from its first record', async () => {
    const { broker, options, expectExact } = await prepared();
    const all = Promise.withResolvers<void>();
    let grown = false;
    const controller = new AbortController();
    const running = runStream(
      options({
        until: 'forever',
        signal: controller.signal,
        onProgress: ({ records, offsets }) => {
          if (records === 100 && offsets.length === 2 && !grown) {
            grown = true;
            broker.addPartition(TOPIC);
            fill(broker, 3, 100, 60);
          }
          if (records === 160) all.resolve();
        },
      }),
    );
    await all.promise;
    controller.abort();
    expect((await running).ended).toBe('aborted');
    await expectExact();
  });

  test('a partition gained whose first records are gone: offsets-gone', async () => {
    const { broker, options } = await prepared();
    broker.addPartition(TOPIC);
    broker.append(TOPIC, 2, [{ value: Buffer.from('{}') }, { value: Buffer.from('{}') }]);
    broker.deleteBefore(TOPIC, 2, 1);
    expect(await codeOf(runStream(options()))).toBe('offsets-gone');
  });

  test('another definition, a version that is not there, a source without a topic', async () => {
    const { options } = await prepared();
    expect(
      await codeOf(runStream(options({ view: spendingView({ topic: TOPIC, fingerprint: 'e'.repeat(64) }) }))),
    ).toBe('definition-changed');
    const earlier = 'UPDATE millrace_catalog.view_version SET semantics = semantics - 1 WHERE view = $1';
    await database.pool.query(earlier, [options().view.name]);
    expect(await codeOf(runStream(options()))).toBe('semantics-retired');
    expect(await codeOf(runStream(options({ version: 999 })))).toBe('version-not-streamable');
    expect(await codeOf(runStream(options({ view: spendingView({ topic: null }) })))).toBe('source-without-topic');
  });
});

describe('trouble', () => {
  test('too many invalid records stop the stream before they are committed', async () => {
    const view = spendingView({ topic: TOPIC, source: { invalidLimit: { rate: 0.1, window: 100 } } });
    const { broker, options, version } = await prepared(1, 60, view);
    broker.append(
      TOPIC,
      0,
      Array.from({ length: 30 }, (_, index) => ({ value: Buffer.from(index % 2 === 0 ? 'nonsense' : '{}') })),
    );
    expect(await codeOf(runStream(options()))).toBe('too-many-invalid-records');
    const letters = await catalogRows(database.pool, 'dead_letter', view.name, version);
    expect(letters.length).toBeLessThanOrEqual(10);
    const [offset] = await catalogRows(database.pool, 'stream_offset', view.name, version);
    expect(Number(offset?.['next_offset'])).toBeLessThanOrEqual(80);
  });

  test('records of every bad kind become dead letters with all reasons', async () => {
    const { broker, options, version, view } = await prepared(1, 200);
    const future = purchaseBytes({ id: 'f', at: '2090-01-01T00:00:00Z', customer: 'x', amount: 1 });
    const large = Buffer.concat([Buffer.from('{"id":"'), Buffer.alloc(1_000_000, 0x61), Buffer.from('"}')]);
    const bad = [
      Buffer.from('not json'),
      Buffer.from('{}'),
      Buffer.alloc(0),
      future,
      large,
      purchaseBytes({ id: 'u', at: new Date(0).toISOString(), customer: 'x', amount: 13 }),
    ];
    broker.append(
      TOPIC,
      0,
      bad.map((value) => ({ value, timestampUs: 200_000_000 })),
    );
    await runStream(options());
    const letters = await catalogRows(database.pool, 'dead_letter', view.name, version);
    expect(letters.map((row) => Number(row['offset'])).toSorted((a, b) => a - b)).toEqual([
      200, 201, 202, 203, 204, 205,
    ]);
    for (const letter of letters) expect((letter['reasons'] as string[]).length).toBeGreaterThan(0);
    const empty = letters.find((row) => row['offset'] === 201);
    expect((empty!['reasons'] as string[]).length).toBeGreaterThan(2);
  });

  test('a broker that goes away is waited for', async () => {
    const { broker, options, expectExact } = await prepared();
    const seen: StreamProgress[] = [];
    let failed = 0;
    const result = await runStream(
      options({
        onProgress: (progress) => {
          seen.push(progress);
          if (progress.state === 'waiting' && ++failed > 3) broker.down = null;
        },
        failAt: (point) => {
          if (point !== 'after-commit' || failed > 0) return;
          broker.down = new MillraceError('service-unreachable', 'Kafka at memory does not answer', {
            remedy: 'Start it.',
            retryable: true,
          });
          broker.kick();
        },
      }),
    );
    expect(result.ended).toBe('present-end');
    expect(seen.some(({ state, waitingFor }) => state === 'waiting' && waitingFor?.includes('does not answer'))).toBe(
      true,
    );
    await expectExact();
  });

  test('connections that are killed in the middle of transactions double nothing', async () => {
    const { options, expectExact } = await prepared(2, 600);
    let kills = 0;
    const result = await runStream(
      options({
        failAt: async (point) => {
          if (point === 'after-fetch' || kills >= 12 || ++kills % 3 !== 0) return;
          await database.pool.query(
            `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'stream-test' AND state LIKE 'idle in transaction%' AND datname = current_database()`,
          );
        },
      }),
    );
    expect(result.ended).toBe('present-end');
    expect(kills).toBeGreaterThan(6);
    await expectExact();
  });

  test('a cache with room for nothing evicts only between micro-batches', async () => {
    const { broker, options, expectExact } = await prepared(2, 0);
    // Each batch finds some of its entities in memory and loads others, and the commit before it ends meanwhile.
    fill(broker, 2, 0, 9000, 450);
    expect(
      await runStream(options({ limits: { batchRecords: 300, maxBatchRecords: 300, cache: NO_CACHE } })),
    ).toMatchObject({ records: 9000 });
    await expectExact();
  });

  test('a progress callback that throws ends the run with its error', async () => {
    const { options } = await prepared();
    await expect(
      runStream(
        options({
          until: 'forever',
          onProgress: () => {
            throw new Error('heartbeat refused');
          },
        }),
      ),
    ).rejects.toThrow('heartbeat refused');
  });
});
