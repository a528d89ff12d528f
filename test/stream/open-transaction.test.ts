import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest';
import type { ArchiveResult } from '../../engine/archive/archive-options.ts';
import { archiveStatus } from '../../engine/archive/archive-status.ts';
import { runArchive } from '../../engine/archive/run-archive.ts';
import { runStream } from '../../engine/stream/run-stream.ts';
import type { RunStreamOptions, StreamProgress } from '../../engine/stream/stream-options.ts';
import { takeCut } from '../../engine/topic/cut.ts';
import { viewProgress } from '../../engine/postgres/view-progress.ts';
import { type KafkaFixture, openKafka } from '../kafka/kafka-fixture.ts';
import { openStreamDatabase, publishEmptyVersion, testClock } from './stream-fixture.ts';
import { purchaseBytes, spendingView } from './stream-view.ts';

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

const value = (id: string): string =>
  purchaseBytes({ id, at: new Date().toISOString(), customer: 'c', amount: 1 }).toString();

/** A topic with two records, then a transaction of three that is left open, then four records of others: offsets 0 to 8. */
async function setUp(name: string, partitions: number, transactionTimeout: number) {
  const topic = `${name}-${process.pid}-${Math.floor(performance.timeOrigin)}`;
  await kafka.createTopic(topic, partitions);
  await kafka.send(topic, 0, [value('1'), value('2')]);
  const producer = kafka.kafka.producer({
    transactionalId: topic,
    maxInFlightRequests: 1,
    idempotent: true,
    transactionTimeout,
  });
  await producer.connect();
  const open = await producer.transaction();
  await open.send({ topic, messages: ['3', '4', '5'].map((id) => ({ partition: 0, value: value(id) })) });
  await kafka.send(topic, 0, ['6', '7', '8', '9'].map(value));
  const view = spendingView({ topic });
  const bounds = await kafka.reader.bounds(topic);
  const version = await publishEmptyVersion(database.pool, view, bounds);
  let attemptMs = 0;
  const options = (more: Partial<RunStreamOptions>): RunStreamOptions => ({
    view,
    version,
    pool: database.pool,
    reader: kafka.reader,
    fence: { generation: 1, attemptMs: ++attemptMs, owner: 'test' },
    until: 'forever',
    clock: testClock,
    limits: { boundsEveryMs: 50, progressEveryMs: 20, tellHeldAfterMs: 500 },
    ...more,
  });
  return { topic, view, version, producer, open, options };
}

test('what an open transaction holds back is lag, by whom and since when is told, and once it is committed it is read', async () => {
  const { topic, view, version, producer, open, options } = await setUp('held-committed', 2, 600_000);
  expect((await kafka.reader.bounds(topic)).partitions[0]).toMatchObject({
    lowOffset: 0,
    endOffset: 2,
    highWatermark: 9,
  });
  // The cut is where the transaction begins: a batch waits for nothing, and the stream begins with it.
  expect((await takeCut(kafka.reader, topic, testClock)).partitions[0]).toMatchObject({ endOffset: 2 });
  expect(await runStream(options({ until: 'present-end', waiting: null }))).toMatchObject({
    ended: 'present-end',
    records: 2,
    lag: 7,
    held: 7,
    waiting: null,
  });

  // The other partition is busy all the while: nothing but the bounds tells of the one that is held.
  const busy = new AbortController();
  const filling = (async () => {
    for (let index = 0; !busy.signal.aborted; index++) await kafka.send(topic, 1, [value(`busy-${index}`)]);
  })();
  const seen: StreamProgress[] = [];
  const held = await runStream(options({ waiting: null, onProgress: (progress) => void seen.push(progress) }));
  expect(held).toMatchObject({ ended: 'deadline', held: 7, waiting: { code: 'held-back' } });
  expect(held.waiting!.message).toMatch(
    new RegExp(`^${topic} is held back by an open transaction: partition 0 at offset 2 \\(producer \\d+\\)$`),
  );
  expect(seen.at(-1)).toMatchObject({ state: 'running', waitingFor: held.waiting!.message, waiting: held.waiting });
  await vi.waitUntil(async () => (await lagOf(view.name)) >= 7, { timeout: 60_000 });

  const goesOn = runStream(options({ waiting: held.waiting }));
  await kafka.send(topic, 0, [value('10')]);
  await open.commit();
  expect(await goesOn).toMatchObject({ ended: 'deadline', waiting: null });
  busy.abort();
  await filling;
  expect(await runStream(options({ until: 'present-end' }))).toMatchObject({ ended: 'present-end', lag: 0, held: 0 });
  expect(await lagOf(view.name)).toBe(0);
  expect(await appliedOf(version)).toBe(10);
  await producer.disconnect();
});

test('a transaction that its producer leaves is aborted by Kafka in time: the wait is over, and nothing of it counts', async () => {
  const { version, producer, options } = await setUp('held-left', 1, 1_000);
  const held = await runStream(options({ waiting: null }));
  expect(held).toMatchObject({ records: 2, lag: 7, held: 7, waiting: { code: 'held-back' } });
  // Kafka looks for such transactions every ten seconds.
  expect(await runStream(options({ waiting: held.waiting }))).toMatchObject({ ended: 'deadline', waiting: null });
  expect(await runStream(options({ until: 'present-end' }))).toMatchObject({ lag: 0, held: 0 });
  expect(await appliedOf(version)).toBe(6);
  await producer.disconnect();
});

test('an archive behind an open transaction has archived what it can, shows the lag to the real end, and says what it waits for', async () => {
  const { topic, view, producer, open } = await setUp('held-archive', 1, 600_000);
  const archiveDir = await mkdtemp(join(tmpdir(), 'millrace-held-'));
  const archive = (waiting: ArchiveResult['waiting'], attemptMs: number): Promise<ArchiveResult> =>
    runArchive({
      source: { ...view.source, name: 'held' },
      reader: kafka.reader,
      pool: database.pool,
      archiveDir,
      fence: { generation: 1, attemptMs, owner: 'test' },
      until: 'forever',
      clock: testClock,
      waiting,
      roll: { ageMs: 50 },
      limits: { boundsEveryMs: 50, tellHeldAfterMs: 500 },
    });
  const held = await archive(null, 1);
  expect(held).toMatchObject({ ended: 'deadline', records: 2, lag: 7, waiting: { code: 'held-back' } });
  expect(held.waiting!.message).toContain(`${topic} is held back by an open transaction: partition 0 at offset 2`);
  const status = await archiveStatus({
    pool: database.pool,
    source: { ...view.source, name: 'held' },
    reader: kafka.reader,
  });
  expect(status.partitions[0]).toMatchObject({ nextOffset: 2, endOffset: 9, lag: 7 });
  await open.abort();
  expect(await archive(held.waiting, 2)).toMatchObject({ ended: 'deadline', waiting: null });
  await producer.disconnect();
  await rm(archiveDir, { recursive: true });
});

async function lagOf(view: string): Promise<number> {
  return (await viewProgress(database.pool)).find((progress) => progress.view === view)!.lag!;
}

async function appliedOf(version: number): Promise<number> {
  const { rows } = await database.pool.query<{ applied: number }>(
    `SELECT (counts->>'applied')::int AS applied FROM millrace_catalog.stream_offset WHERE version = $1 AND partition = 0`,
    [version],
  );
  return rows[0]!.applied;
}
