import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { runBackfill } from '../../engine/backfill/run-backfill.ts';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { ServingLog } from '../../engine/served/serving-log.ts';
import type { LogReader } from '../../engine/topic/log-reader.ts';
import type { RecordToWrite } from '../../engine/topic/log-writer.ts';
import { publishVersion } from '../../engine/online/publish-version.ts';
import { viewVersion } from '../../engine/postgres/view-versions.ts';
import { runStream } from '../../engine/stream/run-stream.ts';
import { exportTrainingSet } from '../../engine/training/export-training-set.ts';
import type { TrainingManifest, TrainingOptions } from '../../engine/training/training-types.ts';
import { createMemoryLogReader, MemoryBroker } from '../stream/memory-log.ts';
import { openStreamDatabase, testClock } from '../stream/stream-fixture.ts';
import { plainBlocks } from '../define/plain-blocks.ts';

export const SECOND = 1_000_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;

/** customer → state bytes, as stored. */
export type States = ReadonlyMap<string, Buffer>;

/** A database, a broker in memory and a folder: what one test serves from. */
export interface ServedWorld {
  readonly pool: pg.Pool;
  readonly folder: string;
  readonly broker: MemoryBroker;
  readonly reader: LogReader;
  close(): Promise<void>;
}

export async function openWorld(databaseUrl: string): Promise<ServedWorld> {
  const database = await openStreamDatabase(databaseUrl);
  const folder = await mkdtemp(join(tmpdir(), 'millrace-as-served-'));
  const broker = new MemoryBroker();
  return {
    pool: database.pool,
    folder,
    broker,
    reader: createMemoryLogReader(broker, () => 7),
    close: async () => {
      await database.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Backfills what is there and publishes it; gives the version. */
export async function publish({ pool, reader, folder }: ServedWorld, view: CompiledView): Promise<number> {
  const { version } = await runBackfill({
    view,
    pool,
    reader,
    spillDir: folder,
    clock: testClock,
    builder: 'as-served',
  });
  await publishVersion({ pool, view: view.name, version });
  return version;
}

let generations = 0;

/** Streams to the present end; tells after each commit which it was. */
export async function stream(
  { pool, reader }: ServedWorld,
  view: CompiledView,
  version: number,
  batchRecords: number,
  onCommit: () => Promise<void> = async () => {},
): Promise<void> {
  await runStream({
    view,
    version,
    pool,
    reader,
    clock: testClock,
    until: 'present-end',
    fence: { generation: ++generations, attemptMs: 1, owner: 'as-served' },
    limits: { batchRecords, maxBatchRecords: batchRecords, batchMs: 1, cache: { decoded: 2_000, encoded: 4_000_000 } },
    failAt: async (point) => {
      if (point === 'after-commit') await onCommit();
    },
  });
}

/** What stands in the table now, and the newest commit. */
export async function storedStates(
  { pool }: ServedWorld,
  view: CompiledView,
  version: number,
): Promise<{ seq: number; states: States }> {
  const stored = (await viewVersion(pool, view.name, version))!;
  const { rows } = await pool.query<{ customer: string; state: Buffer }>(
    `SELECT customer, state FROM millrace_state."${stored.stateTable}"`,
  );
  return { seq: stored.seq, states: new Map(rows.map(({ customer, state }) => [customer, state])) };
}

const iso = (us: number): string =>
  new Date(Math.floor(us / 1000)).toISOString().slice(0, 20) +
  String(((us % SECOND) + SECOND) % SECOND).padStart(6, '0') +
  'Z';

/** An ISO text to the microsecond. */
export const isoOf = iso;

/** Rewrites when a version was published and its commits were made: a test's own time. */
export async function retime(
  { pool }: ServedWorld,
  view: CompiledView,
  version: number,
  times: { publishedUs: number; endedUs: number | null; commitsUs: readonly number[] },
): Promise<void> {
  await pool.query(
    'UPDATE millrace_catalog.view_version SET published_at = $3, ended_at = $4 WHERE view = $1 AND version = $2',
    [view.name, version, iso(times.publishedUs), times.endedUs === null ? null : iso(times.endedUs)],
  );
  for (const [index, commitUs] of times.commitsUs.entries()) {
    await pool.query(
      'UPDATE millrace_catalog.commit_record SET committed_at = $4 WHERE view = $1 AND version = $2 AND seq = $3',
      [view.name, version, index + 1, iso(commitUs)],
    );
  }
}

/** Writes a JSONL spine and exports it to `<name>.parquet`. */
export async function exportSpine(
  { pool, folder, reader }: Pick<ServedWorld, 'pool' | 'folder' | 'reader'>,
  views: readonly CompiledView[],
  name: string,
  rows: readonly Readonly<Record<string, unknown>>[],
  more: Partial<TrainingOptions> = {},
): Promise<{ manifest: TrainingManifest; out: string }> {
  const spine = join(folder, `${name}-spine.jsonl`);
  await writeFile(spine, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const out = join(folder, `${name}.parquet`);
  const manifest = await exportTrainingSet({
    service: { name: 'model', blocks: plainBlocks(views) },
    spine,
    out,
    mode: 'as-served',
    pool,
    archiveDir: null,
    reader,
    spillDir: join(folder, 'spill'),
    clock: systemClock,
    overwrite: true,
    ...more,
  });
  return { manifest, out };
}

let servingLogs = 0;

/** A serving log over the broker in memory: every read is kept. */
export function servingLogTo(broker: MemoryBroker, topic: string): ServingLog {
  const send = async (to: string, records: readonly RecordToWrite[]): Promise<void> => {
    for (const { key, value, timestampMs } of records) {
      const partition = (key?.at(-1) ?? 0) % 2;
      broker.append(to, partition, [{ key, value, timestampUs: timestampMs * 1000 }]);
    }
  };
  const logId = `log-${++servingLogs}`;
  return new ServingLog({ writer: { send, close: async () => {} }, topic, clock: testClock, logId, sample: 1 });
}
