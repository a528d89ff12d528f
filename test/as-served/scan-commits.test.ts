import { listingsOfProcess } from '../../engine/history/history-listing.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { loadCommitTimeline } from '../../engine/archive/load-commit-timeline.ts';
import { runBackfill } from '../../engine/backfill/run-backfill.ts';
import type { CompiledView, PreparedEvent } from '../../engine/define/compiled-view.ts';
import { type DuckDb, openDuckDb } from '../../engine/duckdb/duckdb.ts';
import type { LogReader } from '../../engine/topic/log-reader.ts';
import { setVersionStatus, viewVersion } from '../../engine/postgres/view-versions.ts';
import { scanCommits } from '../../engine/replay/scan-commits.ts';
import { createViewReducer } from '../../engine/state/create-view-reducer.ts';
import type { EntityState } from '../../engine/state/view-reducer.ts';
import { runStream } from '../../engine/stream/run-stream.ts';
import type { FailPoint } from '../../engine/stream/stream-options.ts';
import { openKafka } from '../kafka/kafka-fixture.ts';
import { createMemoryLogReader, MemoryBroker } from '../stream/memory-log.ts';
import { type LogStep, randomLog } from '../stream/random-log.ts';
import { openStreamDatabase, testClock } from '../stream/stream-fixture.ts';
import { spendingView } from '../stream/stream-view.ts';

const POINTS: readonly FailPoint[] = ['after-fetch', 'after-cas', 'before-commit', 'after-commit'];
const seed = Date.now() % 2 ** 31;

let database: Awaited<ReturnType<typeof openStreamDatabase>>;
let folder: string;
let duckdb: DuckDb;
beforeAll(async () => {
  database = await openStreamDatabase(inject('stack').databaseUrl);
  folder = await mkdtemp(join(tmpdir(), 'millrace-scan-commits-'));
  duckdb = await openDuckDb({ memoryMb: 256, tempDir: folder });
});
afterAll(async () => {
  await duckdb.close();
  await database.close();
  await rm(folder, { recursive: true, force: true });
});

class Crash extends Error {}

/** customer → state bytes in hex, as stored. */
type States = Readonly<Record<string, string>>;

async function storedStates(view: CompiledView, version: number): Promise<{ seq: number; states: States }> {
  const stored = (await viewVersion(database.pool, view.name, version))!;
  const { rows } = await database.pool.query<{ customer: string; state: string }>(
    `SELECT customer, encode(state, 'hex') AS state FROM millrace_state."${stored.stateTable}"`,
  );
  return { seq: stored.seq, states: Object.fromEntries(rows.map(({ customer, state }) => [customer, state])) };
}

/** Streams to the present end, dying where it is told to; notes what stood in the table after every commit. */
async function streamed(
  view: CompiledView,
  version: number,
  reader: LogReader,
  generation: number,
  deaths: readonly { point: FailPoint; after: number }[],
  batchRecords: number,
  snapshots: Map<number, States>,
): Promise<void> {
  for (let life = 0; ; life++) {
    const death = deaths[life];
    let passed = 0;
    try {
      await runStream({
        view,
        version,
        pool: database.pool,
        reader,
        clock: testClock,
        until: 'present-end',
        fence: { generation, attemptMs: life + 1, owner: 'replay' },
        limits: {
          batchRecords,
          maxBatchRecords: batchRecords * 2,
          batchMs: 1,
          cache: { decoded: 2_000, encoded: 4_000_000 },
        },
        failAt: async (point) => {
          if (point === 'after-commit') {
            const { seq, states } = await storedStates(view, version);
            snapshots.set(seq, states);
          }
          if (point === death?.point && passed++ === death.after) throw new Crash();
        },
      });
      return;
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
    }
  }
}

/** The states after every commit, replayed from the log. */
async function replayed(
  view: CompiledView,
  versionNumber: number,
  reader: LogReader | null,
  windowRecords: number,
): Promise<{ bySeq: Map<number, States>; visible: number[]; brokerTimes: Set<number> }> {
  const version = (await viewVersion(database.pool, view.name, versionNumber))!;
  const commits = await loadCommitTimeline({ pool: database.pool, archiveDir: null, version });
  expect(commits.lastSeq).toBe(version.seq);
  const reducer = createViewReducer(view.layout);
  const states = new Map<string, EntityState>();
  const prepared: PreparedEvent = {
    keyText: '',
    key: [],
    eventTimeUs: 0,
    id: null,
    partition: 0,
    offset: 0,
    inputs: view.layout.slots.map(() => null),
  };
  const bySeq = new Map<number, States>();
  const visible: number[] = [];
  const brokerTimes = new Set<number>();
  let at = 0;
  const noteUpTo = (seq: number): void => {
    const now = Object.fromEntries(
      [...states].map(([customer, state]) => [customer, Buffer.from(reducer.encode(state)).toString('hex')]),
    );
    for (; at < seq; at++) bySeq.set(at, now);
  };
  const progress: number[] = [];
  const scan = scanCommits({
    view,
    version,
    commits,
    untilSeq: commits.lastSeq,
    reader,
    duckdb,
    listings: listingsOfProcess(systemClock),
    windowRecords,
    onProgress: (done, total) => {
      progress.push(done);
      if (total !== null) expect(done).toBeLessThanOrEqual(total);
    },
  });
  for await (const { seq, visibleAtUs, events, brokerTimesUs } of scan.batches()) {
    expect(seq).toBeGreaterThanOrEqual(at);
    expect(brokerTimesUs.length).toBe(events.length);
    expect(events.length).toBeGreaterThan(0);
    noteUpTo(seq);
    visible.push(visibleAtUs);
    for (const [index, event] of events.entries()) {
      const time = brokerTimesUs[index]!;
      if (event.partition === -1) expect(time).toBe(Number.NEGATIVE_INFINITY);
      else brokerTimes.add(time);
      if (view.prepare(event, prepared) !== 'ok') continue;
      const state = states.get(prepared.keyText) ?? reducer.empty();
      states.set(prepared.keyText, state);
      reducer.apply(state, prepared);
    }
  }
  noteUpTo(commits.lastSeq + 1);
  expect(progress).toEqual([...progress].sort((a, b) => a - b));
  return { bySeq, visible, brokerTimes };
}

function append(broker: MemoryBroker, steps: readonly LogStep[]): void {
  for (const step of steps) {
    if ('control' in step) broker.appendControl('purchases', step.partition, step.control);
    else broker.append('purchases', step.partition, [step.record]);
  }
}

const deathsArbitrary = fc.array(fc.record({ point: fc.constantFrom(...POINTS), after: fc.nat(4) }), { maxLength: 3 });

test(`the states of every commit, byte for byte, from the log alone (seed ${seed})`, async () => {
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(
      randomLog(70),
      fc.option(randomLog(30), { freq: 2 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      deathsArbitrary,
      fc.integer({ min: 3, max: 20 }),
      fc.integer({ min: 1, max: 60 }),
      fc.boolean(),
      async (log, past, share, deaths, batchRecords, windowRecords, gains) => {
        const lines = (past?.steps ?? []).flatMap((step) =>
          'record' in step && step.record.value !== null && step.record.value.length > 0
            ? [Buffer.from(step.record.value).toString()]
            : [],
        );
        const path = join(folder, `history-${++runs}.jsonl`);
        if (lines.length > 0) await writeFile(path, `${lines.join('\n')}\n`);
        const view = spendingView({
          topic: 'purchases',
          source: {
            history: lines.length === 0 ? null : { path, untilUs: null, disjoint: true },
            invalidLimit: { rate: 1, window: 1000 },
          },
        });
        const broker = new MemoryBroker();
        broker.createTopic('purchases', log.partitions);
        const reader = createMemoryLogReader(broker, () => 7);
        const cutAt = Math.round(share * log.steps.length);
        append(broker, log.steps.slice(0, cutAt));
        const { version } = await runBackfill({
          view,
          pool: database.pool,
          reader,
          spillDir: folder,
          clock: testClock,
          builder: 'replay',
        });
        await setVersionStatus(database.pool, view.name, version, ['built'], 'live');
        const snapshots = new Map([[0, (await storedStates(view, version)).states]]);
        append(broker, log.steps.slice(cutAt));
        await streamed(view, version, reader, 1, deaths, batchRecords, snapshots);
        if (gains) {
          broker.addPartition('purchases');
          const more = log.steps.slice(0, 20).map((step) => ({ ...step, partition: log.partitions }));
          append(broker, more);
          await streamed(view, version, reader, 2, [], batchRecords, snapshots);
        }
        await setVersionStatus(database.pool, view.name, version, ['live'], 'superseded');

        const { bySeq, visible, brokerTimes } = await replayed(view, version, reader, windowRecords);
        // A crash right after its commit leaves the snapshot untaken only if it never ran: all commits are there.
        expect([...bySeq.keys()]).toEqual([...snapshots.keys()].sort((a, b) => a - b));
        for (const [seq, states] of snapshots) expect(bySeq.get(seq)).toEqual(states);
        expect(visible).toEqual([...visible].sort((a, b) => a - b));
        const published = (await viewVersion(database.pool, view.name, version))!.publishedAtUs!;
        expect(visible.every((time) => time >= published)).toBe(true);
        for (const step of log.steps) if ('record' in step) expect(step.record.timestampUs).toBeDefined();
        expect(brokerTimes.size).toBeLessThanOrEqual(1);
      },
    ),
    { numRuns: 20, seed, endOnFailure: true },
  );
}, 120_000);

test('commits of a log in Kafka, several partitions to a commit', async () => {
  const kafka = await openKafka(inject('stack').kafkaBrokers);
  try {
    const topic = `replay-${process.pid}-${seed}`;
    await kafka.createTopic(topic, 3);
    const line = (id: number): string =>
      JSON.stringify({
        id: `${id % 37}`,
        at: new Date(1e12 + id * 1e5).toISOString(),
        customer: `c${id % 5}`,
        amount: id,
      });
    const view = spendingView({ topic, source: { maxAheadUs: 1e18 } });
    const send = async (from: number, until: number): Promise<void> => {
      for (let id = from; id < until; id++) await kafka.send(topic, id % 3, [line(id)]);
    };
    await send(0, 20);
    const options = { view, pool: database.pool, spillDir: folder, memoryMb: 256, clock: testClock, builder: 'replay' };
    const { version } = await runBackfill({ ...options, reader: kafka.reader });
    await setVersionStatus(database.pool, view.name, version, ['built'], 'live');
    const snapshots = new Map([[0, (await storedStates(view, version)).states]]);
    await send(20, 90);
    await streamed(view, version, kafka.reader, 1, [], 7, snapshots);
    await setVersionStatus(database.pool, view.name, version, ['live'], 'superseded');
    const { bySeq } = await replayed(view, version, kafka.reader, 20);
    expect(snapshots.size).toBeGreaterThan(3);
    expect(bySeq).toEqual(snapshots);
  } finally {
    await kafka.close();
  }
});

test('a history of other files, and a log that no longer reaches back, are named', async () => {
  const path = join(folder, 'small.jsonl');
  const line = (id: string): string => JSON.stringify({ id, at: '2001-01-01T00:00:00Z', customer: 'ana', amount: 1 });
  await writeFile(path, `${line('a')}\n${line('z')}\n`);
  const view = spendingView({
    topic: 'purchases',
    source: { history: { path: join(folder, 'small*.jsonl'), untilUs: null, disjoint: true } },
  });
  const broker = new MemoryBroker();
  broker.createTopic('purchases', 1);
  const record = (id: string) => ({ value: Buffer.from(line(id)), timestampUs: 1e15 });
  broker.append('purchases', 0, [record('b'), record('c'), record('d')]);
  const reader = createMemoryLogReader(broker, () => 7);
  const options = {
    view,
    pool: database.pool,
    reader,
    spillDir: folder,
    memoryMb: 256,
    clock: testClock,
    builder: 'replay',
  };
  const { version } = await runBackfill(options);
  await setVersionStatus(database.pool, view.name, version, ['built'], 'live');

  const { bySeq } = await replayed(view, version, reader, 10);
  await writeFile(join(folder, 'small-2.jsonl'), `${line('e')}\n`);
  expect((await replayed(view, version, reader, 10)).bySeq).toEqual(bySeq);
  await rm(join(folder, 'small-2.jsonl'));
  const moved = { ...view, source: { ...view.source, topic: 'moved' } };
  await expect(replayed(moved, version, reader, 10)).rejects.toMatchObject({ code: 'topic-changed' });
  await expect(replayed(view, version, null, 10)).rejects.toMatchObject({ code: 'kafka-not-configured' });
  // The same size, one row fewer.
  await writeFile(path, `${line('a')}\n${' '.repeat(line('z').length)}\n`);
  await expect(replayed(view, version, reader, 10)).rejects.toMatchObject({
    code: 'history-changed',
    message: expect.stringMatching(/small\.jsonl had sha256 [0-9a-f]{64} and has [0-9a-f]{64}$/),
  });
  await writeFile(path, `${line('a')}\n${line('z')}\n${line('f')}\n`);
  await expect(replayed(view, version, reader, 10)).rejects.toMatchObject({
    code: 'history-changed',
    message: expect.stringMatching(/small\.jsonl had \d+ bytes and has \d+/),
  });
  await rm(path);
  await expect(replayed(view, version, reader, 10)).rejects.toMatchObject({
    code: 'history-changed',
    message: expect.stringMatching(/small\.jsonl is gone/),
  });
  await writeFile(path, `${line('a')}\n${line('z')}\n`);

  broker.deleteBefore('purchases', 0, 2);
  await expect(replayed(view, version, reader, 10)).rejects.toMatchObject({
    code: 'offsets-gone',
    message: expect.stringMatching(/version \d+ of view "spending" cannot be replayed: .*records 0 to 1 were deleted/),
  });
});
