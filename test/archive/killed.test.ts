import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, inject, test } from 'vitest';
import type { ArchiveProgress } from '../../engine/archive/archive-options.ts';
import { withArchive } from '../../engine/archive/archived-log-reader.ts';
import { compactArchive } from '../../engine/archive/compact-archive.ts';
import { runArchive } from '../../engine/archive/run-archive.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { openKafka } from '../kafka/kafka-fixture.ts';
import { openStreamDatabase } from '../stream/stream-fixture.ts';
import { spendingView } from '../stream/stream-view.ts';
import type { ChildConfig } from './archive-child.ts';
import { asText, readBetween } from './archive-fixture.ts';
import { filesOnDisk, manifestRanges, namedFiles } from './archive-look.ts';

const PARTITIONS = 2;
const LIVES = 5;
const PER_LIFE = 1_000;

const values = (partition: number, from: number, until: number): (string | null)[] =>
  Array.from({ length: until - from }, (_, n) => ((from + n) % 9 === 8 ? null : `${partition}:${from + n}`));

/** Starts an archiver and kills it with -9 at the first progress that is like this. */
async function killedAt(config: ChildConfig, isTime: (progress: ArchiveProgress) => boolean): Promise<void> {
  const script = fileURLToPath(new URL('./archive-child.ts', import.meta.url));
  const child = spawn(process.execPath, [script, JSON.stringify(config)], { stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = once(child, 'exit');
  for await (const line of createInterface({ input: child.stdout }))
    if (isTime(JSON.parse(line) as ArchiveProgress)) child.kill('SIGKILL');
  await ended;
}

test('an archiver of a Kafka topic that is killed with -9 again and again archives each offset once', async () => {
  const { kafkaBrokers: brokers, databaseUrl } = inject('stack');
  const kafka = await openKafka(brokers);
  const database = await openStreamDatabase(databaseUrl);
  const { pool } = database;
  const archiveDir = await mkdtemp(join(tmpdir(), 'millrace-killed-'));
  const topic = `killed-archive-${process.pid}-${Math.floor(performance.timeOrigin)}`;
  try {
    await kafka.createTopic(topic, PARTITIONS);
    const lives = { databaseUrl: database.databaseUrl, brokers, topic, archiveDir };
    let appended = 0;
    for (let life = 1; life <= LIVES; life++) {
      for (let partition = 0; partition < PARTITIONS; partition++)
        await kafka.append(topic, partition, values(partition, appended, appended + PER_LIFE));
      appended += PER_LIFE;
      // Some before their first file counts, some after.
      const isTime = (progress: ArchiveProgress): boolean =>
        progress.records > 0 || (life % 2 === 1 && progress.state === 'running');
      await killedAt({ ...lives, attemptMs: life }, isTime);
    }
    const ends = [appended, appended];
    const expected = (await readBetween(kafka.reader, topic, [0, 0], ends)).map((records) => records.map(asText));
    const { source } = spendingView({ topic });
    const fence = { generation: 1, attemptMs: 9, owner: 'last' };
    const last = {
      source,
      reader: kafka.reader,
      pool,
      archiveDir,
      fence,
      until: 'present-end',
      clock: systemClock,
    } as const;
    expect(await runArchive(last)).toMatchObject({ ended: 'present-end', lag: 0, holes: [] });
    const ranges = await manifestRanges(pool, source.name);
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const mine = ranges.filter((range) => range.partition === partition);
      expect([0, ...mine.map(({ until }) => until)]).toEqual([...mine.map(({ from }) => from), appended]);
    }
    expect(ranges.length).toBeGreaterThan(PARTITIONS);
    await compactArchive({ source: source.name, pool, archiveDir, clock: systemClock, minFiles: 2, temporaryForMs: 0 });
    expect(await filesOnDisk(archiveDir, await namedFiles(pool, source.name), PARTITIONS)).toEqual(expected);
    for (let partition = 0; partition < PARTITIONS; partition++) await kafka.deleteBefore(topic, partition, appended);
    const reader = withArchive(kafka.reader, { pool, archiveDir, duckdbTempDir: join(archiveDir, '.duckdb') });
    const archived = await readBetween(reader, topic, [0, 0], ends);
    expect(archived.map((records) => records.map(asText))).toEqual(expected);
    await reader.close();
  } finally {
    await kafka.close();
    await database.close();
    await rm(archiveDir, { recursive: true, force: true });
  }
});
