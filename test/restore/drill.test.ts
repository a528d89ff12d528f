import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, inject, test, vi } from 'vitest';
import { codeOf } from '../../engine/define/known-code.ts';
import { withArchive } from '../../engine/archive/archived-log-reader.ts';
import { rollCommits } from '../../engine/archive/roll-commits.ts';
import { runArchive } from '../../engine/archive/run-archive.ts';
import { runBackfill } from '../../engine/backfill/run-backfill.ts';
import type { LogWriter } from '../../engine/topic/log-writer.ts';
import { createKafkaLogWriter } from '../../engine/kafka/kafkajs-log-writer.ts';
import { createOnlineStore } from '../../engine/online/online-store.ts';
import { publishVersion } from '../../engine/online/publish-version.ts';
import type { ViewRead } from '../../engine/online/view-read.ts';
import { auditParity } from '../../engine/parity/audit-parity.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { ServingLog } from '../../engine/served/serving-log.ts';
import { runStream } from '../../engine/stream/run-stream.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { removePostgresData } from '../../stack/postgres-data-dir.ts';
import { startPostgres } from '../../stack/postgres.ts';
import { nextFence } from '../archive/archive-fixture.ts';
import { exportSpine } from '../as-served/served-fixture.ts';
import { openKafka } from '../kafka/kafka-fixture.ts';
import { replayTopic } from '../stream/replay.ts';
import { stateBytes } from '../stream/stream-fixture.ts';
import { purchaseBytes, spendingView } from '../stream/stream-view.ts';
import { readParquet } from '../training/training-fixture.ts';
import { baseBackup, restoreFiles } from './base-backup.ts';

const CUSTOMERS = ['ana', 'bo', 'cy', 'dee', 'ed'];
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function openDeployment() {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-drill-'));
  closing.push(() => rm(folder, { recursive: true, force: true }));
  const said = (): void => {};
  let postgres = await startPostgres({ dataDir: folder, onProgress: said });
  closing.push(async () => removePostgresData(folder));
  closing.push(() => postgres.stop());
  await migrateToLatest(postgres.url);
  const pool = createPool(postgres.url, { max: 8, applicationName: 'drill' });
  closing.push(() => pool.end());
  const { rows: found } = await pool.query<{ cluster: string }>("SELECT current_setting('data_directory') AS cluster");
  const { cluster } = found[0]!;
  const kafka = await openKafka(inject('stack').kafkaBrokers);
  closing.push(() => kafka.close());
  const suffix = `${process.pid}-${Math.floor(performance.timeOrigin)}`;
  const topic = `drill-${suffix}`;
  const served = `drill-served-${suffix}`;
  await kafka.createTopic(topic, 2);
  await kafka.createTopic(served, 1);
  const archiveDir = join(folder, 'archive');
  const reader = withArchive(kafka.reader, { pool, archiveDir, duckdbTempDir: join(folder, 'duckdb') });
  const view = spendingView({ topic });
  const source = view.source;
  const writer: LogWriter = createKafkaLogWriter({ brokers: inject('stack').kafkaBrokers, clientId: 'drill' });
  const log = new ServingLog({ writer, topic: served, clock: systemClock, logId: suffix, sample: 1, ownsWriter: true });
  closing.push(() => log.close());
  const store = createOnlineStore({ pool, clock: systemClock });
  let purchases = 0;
  return {
    folder,
    pool,
    kafka,
    topic,
    served,
    archiveDir,
    reader,
    view,
    log,
    url: postgres.url,
    async buy(count: number): Promise<void> {
      for (let partition = 0; partition < 2; partition++) {
        const values = Array.from({ length: count }, () => {
          const n = purchases++;
          const at = new Date(Date.UTC(2026, 0, 1) + n * 60_000).toISOString();
          return purchaseBytes({ id: `p${n}`, at, customer: CUSTOMERS[n % CUSTOMERS.length]!, amount: n }).toString();
        });
        await kafka.append(topic, partition, values);
      }
    },
    /** Waits until the catalog's stream is at the topic's end. */
    async streamed(): Promise<void> {
      const ends = (await kafka.reader.bounds(topic)).partitions.map(({ endOffset }) => endOffset);
      await vi.waitFor(
        async () => {
          const { rows } = await pool.query<{ next: number }>(
            'SELECT next_offset::int AS next FROM millrace_catalog.stream_offset ORDER BY partition',
          );
          expect(rows.map(({ next }) => next)).toEqual(ends);
        },
        { timeout: 60_000, interval: 50 },
      );
    },
    async serve(requestId: string): Promise<ViewRead[]> {
      const reads: ViewRead[] = [];
      for (const customer of [...CUSTOMERS, 'nobody']) {
        const read = await store.get(view.name, [[customer]], { atUs: Date.UTC(2026, 0, 3) * 1000 });
        log.offer(`${requestId}-${customer}`, null, read, [[customer]]);
        reads.push(...read);
      }
      await vi.waitFor(() => expect(log.figures.buffered).toBe(0), { timeout: 30_000, interval: 20 });
      return reads;
    },
    archive: () =>
      runArchive({
        source,
        reader: kafka.reader,
        pool,
        archiveDir,
        until: 'present-end',
        clock: systemClock,
        fence: nextFence(),
      }),
    audit: () =>
      auditParity({
        view: view.name,
        code: codeOf([view]),
        pool,
        reader,
        archiveDir,
        servedTopic: served,
        kind: 'audit',
        spillDir: join(folder, 'spill'),
        clock: systemClock,
      }),
    /** Loses the server with all its files, and puts those of a backup in their place. */
    async loseAndRestore(backup: string): Promise<void> {
      process.kill(postgres.identity.pid, 'SIGKILL');
      await postgres.exited;
      await restoreFiles(backup, cluster);
      postgres = await startPostgres({ dataDir: folder, onProgress: said, port: postgres.port });
    },
  };
}

test('the restore drill: states as a replay of the log, an audit without a difference, exports as they were, and what was lost counted', async () => {
  const world = await openDeployment();
  const { pool, view, kafka, topic, reader, folder } = world;
  await world.buy(60);
  const { version } = await runBackfill({
    view,
    pool,
    reader: kafka.reader,
    spillDir: join(folder, 'spill'),
    clock: systemClock,
    builder: 'drill',
  });
  await publishVersion({ pool, view: view.name, version });
  const stop = new AbortController();
  const streaming = runStream({
    view,
    version,
    pool,
    reader: kafka.reader,
    until: 'forever',
    signal: stop.signal,
    clock: systemClock,
    fence: { generation: 1, attemptMs: 1, owner: 'drill' },
    limits: { batchRecords: 10, maxBatchRecords: 10, retryMaxMs: 200, boundsEveryMs: 200 },
  });
  closing.push(async () => {
    stop.abort();
    await streaming;
  });
  await world.buy(50);
  await world.streamed();
  const before = await world.serve('before');
  await world.archive();
  // What is archived is in the topic no more: a replay needs both.
  for (const partition of [0, 1]) await kafka.deleteBefore(topic, partition, 40);
  const spine = CUSTOMERS.map((customer, n) => ({ n, customer, event_timestamp: '2026-01-01T02:00:00Z' }));
  const exported = await exportSpine(world, [view], 'before', spine, { mode: 'event-time' });

  const backup = join(folder, 'backup');
  await baseBackup(world.url, backup, async () => {
    await world.buy(40);
    await world.streamed();
  });
  await world.buy(70);
  await world.streamed();
  const lostWithIt = await world.serve('lost');
  // Archive and rolled commits get ahead of the backup, too.
  await world.archive();
  expect(
    await rollCommits({
      pool,
      archiveDir: world.archiveDir,
      view: view.name,
      version,
      keepRows: 2,
      minRows: 1,
    }),
  ).toBeGreaterThan(10);

  await world.loseAndRestore(backup);
  await world.buy(30);
  await world.streamed();
  await world.archive();
  const after = await world.serve('after');
  expect(await stateBytes(pool, view, version)).toEqual((await replayTopic(view, reader)).states);

  const { rows } = await pool.query<{ id: string }>(
    'SELECT commit_id::text AS id FROM millrace_catalog.commit_record UNION SELECT commit_id::text FROM millrace_catalog.view_version',
  );
  const known = new Set(rows.map(({ id }) => id));
  const isLost = ({ commitId }: ViewRead): boolean => !known.has(commitId!);
  expect([...before, ...after].filter(isLost)).toEqual([]);
  // Who had no state saw the backfill's, and that is there still.
  expect(lostWithIt.filter(isLost)).toHaveLength(CUSTOMERS.length);
  expect(await world.audit()).toMatchObject({
    verdict: 'equal',
    cellsDiffering: 0,
    reads: before.length + after.length + 1,
    skipped: { 'lost-commit': CUSTOMERS.length },
  });

  const again = await exportSpine(world, [view], 'again', spine, { repeatOf: exported.manifest, mode: 'event-time' });
  expect(again.manifest.sha256).toBe(exported.manifest.sha256);
  const requests = ['before', 'lost', 'after'].flatMap((when) =>
    CUSTOMERS.map((customer) => ({ request_id: `${when}-${customer}` })),
  );
  const logged = await exportSpine(world, [view], 'requests', requests, {
    servedTopic: world.served,
    archiveDir: world.archiveDir,
  });
  expect(logged.manifest.views[0]!.logged).toMatchObject({ rowsNotLogged: 0, rowsLostCommit: CUSTOMERS.length });
  const found = [before, lostWithIt, after].flatMap((reads) => reads.slice(0, CUSTOMERS.length));
  const counts = (await readParquet(logged.out)).rows.map((row) => row[`${view.name}__purchases_1d`]);
  expect(counts).toEqual(found.map(({ values }) => BigInt(values[0] as number)));
});
