import { join } from 'node:path';
import type pg from 'pg';
import { internalBug } from '../errors/millrace-error.ts';
import type { Clock } from '../values/clock.ts';
import { type DuckDb, openDuckDb, quoteText } from '../duckdb/duckdb.ts';
import { batchTurn, duckDbMemory } from '../memory/duckdb-memory.ts';
import type { MemoryBudget } from '../memory/memory-budget.ts';
import { processMemory } from '../memory/process-memory.ts';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';
import { archivedPart } from './archive-errors.ts';
import { openArchiveFolder } from './archive-mark.ts';
import { archiveFiles, archiveRanges } from './archive-manifest.ts';
import { archivePath } from './archive-session.ts';
import { insertArchiveFile } from './commit-archive.ts';
import { MergedSize, unpackedSize } from './merge-bytes.ts';
import { type HeldFile, inLogOrder, mergedRanges, mergeGroups } from './merge-plan.ts';
import { oneAtATime } from './one-at-a-time.ts';
import { makeFolder } from './make-folder.ts';
import { publishDraft, removeFile, writeDraft } from './parquet-file.ts';
import { sweepArchive } from './sweep-archive.ts';
import { verifyFile } from './verify-file.ts';

export interface CompactArchiveOptions {
  readonly source: string;
  readonly pool: pg.Pool;
  readonly archiveDir: string;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
  /** Fewer neighbours than this are left alone. Default 8. */
  readonly minFiles?: number | undefined;
  /** Merged files grow up to about this. Default 256 MiB. */
  readonly targetBytes?: number | undefined;
  /** Temporary files older than this are taken for abandoned. Default 1 h. */
  readonly temporaryForMs?: number | undefined;
  readonly newId?: (() => string) | undefined;
  /** Whose DuckDB it has a turn at. Default that of the process. */
  readonly memory?: MemoryBudget | undefined;
  /** For tests: what is thrown there is treated as the process dying there. */
  readonly failAt?: ((point: 'after-rename' | 'before-commit' | 'after-commit') => void | Promise<void>) | undefined;
}

const TARGET_BYTES = 256 * 1024 * 1024;

export interface CompactResult {
  /** Files that went into others, and how many these are. */
  readonly merged: number;
  readonly into: number;
  /** Files removed: those that were merged, and what crashes left. */
  readonly swept: number;
}

/**
 * Merges small files of a source's archive, each group in one transaction, and then removes files that nobody names and whose every offset
 * is in a named one. One at a time per source: where another is at it, nothing is done; where a backfill, an export or an audit has DuckDB's memory,
 * nothing is merged this time. Readers find what they were reading in the new file.
 * Throws `archive-file-missing`, `archive-file-damaged`, `archive-full` (retryable), `archive-not-writable`.
 *
 * @example
 * await compactArchive({ source: 'flights', pool, archiveDir, clock: systemClock });
 */
export async function compactArchive(options: CompactArchiveOptions): Promise<CompactResult> {
  const { pool, source } = options;
  // Every statement is on the connection that holds the lock: were it lost, nothing more could be written.
  const done = await oneAtATime(pool, `archive.compact.${source}`, (client) => compactLocked(client, options));
  return done ?? { merged: 0, into: 0, swept: 0 };
}

async function compactLocked(client: pg.PoolClient, options: CompactArchiveOptions): Promise<CompactResult> {
  const { source, archiveDir } = options;
  const known = await archiveOf(client, source);
  let merged = 0;
  let into = 0;
  let swept = 0;
  if (known !== null) {
    await openArchiveFolder(options.pool, archiveDir);
    await makeFolder(join(archiveDir, '.spill'));
    const memory = options.memory ?? processMemory();
    const duckdb = await openDuckDb({ memory, tempDir: join(archiveDir, '.spill') });
    // What is small today is small tomorrow: a batch that has DuckDB's memory goes first.
    const turn = duckDbMemory(memory).tryReserve(batchTurn(memory), `merging the archive of ${source}`);
    try {
      if (turn !== null) {
        const found = await mergeSmall(client, duckdb, memory, options, known);
        merged = found.merged;
        into = found.into;
      }
      swept = await sweepArchive(client, duckdb, { ...options, mark: known.mark });
    } finally {
      turn?.release();
      await duckdb.close();
    }
  }
  return { merged, into, swept };
}

async function mergeSmall(
  client: pg.PoolClient,
  duckdb: DuckDb,
  memory: MemoryBudget,
  options: CompactArchiveOptions,
  { mark, topics }: KnownArchive,
): Promise<Pick<CompactResult, 'merged' | 'into'>> {
  const { source, archiveDir, signal } = options;
  let merged = 0;
  let into = 0;
  for (const { topic, clusterId } of topics) {
    const ranges = await archiveRanges(client, await archiveFiles(client, topic, clusterId, source));
    const groups = mergeGroups(
      inLogOrder(ranges),
      Math.max(options.minFiles ?? 8, 2),
      options.targetBytes ?? TARGET_BYTES,
    );
    for (const group of groups) {
      for (const run of await mergeRuns(duckdb, archiveDir, topic, group, memory.shares.duckDbBytes)) {
        signal?.throwIfAborted();
        await mergeFiles(client, duckdb, options, { topic, clusterId, mark }, run);
        merged += run.files.length;
        into += 1;
      }
    }
  }
  return { merged, into };
}

interface Archived {
  readonly topic: string;
  readonly clusterId: string;
  readonly mark: string;
}

interface KnownArchive {
  readonly mark: string;
  readonly topics: readonly { readonly topic: string; readonly clusterId: string }[];
}

async function archiveOf(client: pg.PoolClient, source: string): Promise<KnownArchive | null> {
  const marks = await runSql<{ mark: string }>(
    client,
    sqlText`SELECT mark FROM ${CATALOG}.archive_source WHERE source = ${source}`,
  );
  const mark = marks.rows[0]?.mark;
  if (mark === undefined) return null;
  const { rows } = await runSql<{ topic: string; cluster_id: string }>(
    client,
    sqlText`SELECT DISTINCT topic, cluster_id FROM ${CATALOG}.archive_file WHERE source = ${source} ORDER BY topic, cluster_id`,
  );
  return { mark, topics: rows.map(({ topic, cluster_id }) => ({ topic, clusterId: cluster_id })) };
}

/** Files to be merged into one. */
interface MergeRun {
  readonly files: HeldFile[];
  readonly size: MergedSize;
}

/** Neighbours made under the same contract, which have the same columns, and that one file can hold; others are not merged. */
async function mergeRuns(
  duckdb: DuckDb,
  archiveDir: string,
  topic: string,
  group: readonly HeldFile[],
  duckDbBytes: number,
): Promise<MergeRun[]> {
  const runs: MergeRun[] = [];
  let columns = '';
  for (const each of group) {
    await verifyFile(archiveDir, each.file, archivedPart({ topic, ...each.ranges[0]! }));
    const described = await duckdb.query<{ column_name: string; column_type: string }>(
      `DESCRIBE SELECT * FROM read_parquet(${quoteText(join(archiveDir, each.file.path))})`,
    );
    const own = JSON.stringify(described.map(({ column_name, column_type }) => [column_name, column_type]));
    const unpacked = await unpackedSize(duckdb, join(archiveDir, each.file.path));
    if (own !== columns || runs.at(-1)?.size.takes(unpacked) !== true) {
      const size = new MergedSize(duckDbBytes);
      size.takes(unpacked);
      runs.push({ files: [], size });
    }
    columns = own;
    runs.at(-1)!.files.push(each);
  }
  return runs.filter(({ files }) => files.length > 1);
}

async function mergeFiles(
  client: pg.PoolClient,
  duckdb: DuckDb,
  { source, archiveDir, clock, newId, failAt }: CompactArchiveOptions,
  { topic, clusterId, mark }: Archived,
  { files: group, size }: MergeRun,
): Promise<void> {
  const paths = group.map(({ file }) => quoteText(join(archiveDir, file.path)));
  const select = `SELECT * FROM read_parquet([${paths.join(', ')}]) ORDER BY partition, "offset"`;
  const ranges = mergedRanges(group);
  const rows = ranges.reduce((sum, range) => sum + range.rows, 0);
  const [counted] = await duckdb.query<{ n: bigint }>(`SELECT count(*) AS n FROM read_parquet([${paths.join(', ')}])`);
  if (Number(counted?.n) !== rows)
    throw internalBug(`archive of ${source}: ${counted?.n} rows where the manifest has ${rows}`);
  const path = archivePath(source, mark, clock.nowUs(), newId?.() ?? crypto.randomUUID());
  const draft = await writeDraft(
    duckdb,
    archiveDir,
    path,
    select,
    { source, topic, clusterId, ranges },
    size.rowGroupRows,
  );
  await publishDraft(draft);
  await failAt?.('after-rename');
  const ids = group.map(({ file }) => file.id);
  await client.query('BEGIN');
  const gone = await runSql(
    client,
    sqlText`DELETE FROM ${CATALOG}.archive_range WHERE file_id = ANY(${ids}::bigint[])`,
  );
  const expected = group.reduce((sum, each) => sum + each.ranges.length, 0);
  if (gone.rowCount !== expected)
    throw internalBug(`archive of ${source}: ${gone.rowCount} ranges to merge, expected ${expected}`);
  await runSql(client, sqlText`DELETE FROM ${CATALOG}.archive_file WHERE id = ANY(${ids}::bigint[])`);
  await insertArchiveFile(client, { source, topic, clusterId }, draft, ranges);
  await failAt?.('before-commit');
  await client.query('COMMIT');
  await failAt?.('after-commit');
  for (const { file } of group) await removeFile(archiveDir, file.path);
}
