import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import { type Clock, systemClock } from '../values/clock.ts';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';
import { withTransaction } from '../postgres/transaction.ts';
import { lockSource } from './archive-claim.ts';
import { openArchiveFolder } from './archive-mark.ts';
import { isNotFound } from './archive-errors.ts';
import { openCommitDuckDb, stageCommits, type StoredCommit } from './commit-file.ts';
import { oneAtATime } from './one-at-a-time.ts';
import { type DraftFile, publishDraft, removeFile, writeDraft } from './parquet-file.ts';
import { isOlder } from './sweep-archive.ts';

/** The folder of rolled commits, and the archive they count as: no source may have a name with a dot. */
const COMMITS = 'commits';
const COMMITS_ARCHIVE = '.commits';
const PAGE_ROWS = 50_000;
const TEMPORARY_FOR_MS = 3_600_000;

export interface RollCommitsOptions {
  readonly pool: pg.Pool;
  readonly archiveDir: string;
  readonly view: string;
  readonly version: number;
  /** At least this many of the newest rows stay in the catalog. Default 100,000. */
  readonly keepRows?: number | undefined;
  /** Fewer rows than this are not worth a file. Default 50,000. */
  readonly minRows?: number | undefined;
  /** Rows of one file at most. Default 1,000,000. */
  readonly fileRows?: number | undefined;
  /** Default: the machine's. */
  readonly clock?: Clock | undefined;
  readonly newId?: (() => string) | undefined;
  /** For tests: what is thrown there is treated as the process dying there. */
  readonly failAt?: ((point: 'after-rename' | 'before-commit') => void | Promise<void>) | undefined;
}

/**
 * Moves the oldest commit records of a version to Parquet, each file in one transaction with their deletion; `loadCommitTimeline` reads
 * both. One at a time per version: where another is at it, nothing is done. Returns how many rows were moved. Throws `archive-full` (retryable), `archive-not-writable`.
 *
 * @example
 * await rollCommits({ pool, archiveDir, view: 'route_delays', version: 3 });
 */
export async function rollCommits(options: RollCommitsOptions): Promise<number> {
  const { pool, view, version } = options;
  const rolled = await oneAtATime(pool, commitsLock(view, version), async () => {
    let total = 0;
    for (;;) {
      const rows = await rollFile(options);
      if (rows === 0) return total;
      total += rows;
    }
  });
  return rolled ?? 0;
}

/** Whoever moves old commit records of a version, or merges them, holds this lock. */
export function commitsLock(view: string, version: number): string {
  return `archive.commits.${view}.${version}`;
}

interface Span {
  readonly fromSeq: number;
  /** Exclusive. */
  readonly untilSeq: number;
  readonly rows: number;
}

async function rollFile(options: RollCommitsOptions): Promise<number> {
  const { pool, archiveDir, view, version, failAt } = options;
  const span = await oldestSpan(options);
  if (span === null) return 0;
  await openArchiveFolder(pool, archiveDir);
  const { mark } = await withTransaction(pool, (client) => lockSource(client, COMMITS_ARCHIVE));
  const id = options.newId?.() ?? crypto.randomUUID();
  const prefix = `${mark}-${view}-v${version}-`;
  const path = `${COMMITS}/${prefix}${span.fromSeq}-${span.untilSeq}-${id}.parquet`;
  const duckdb = await openCommitDuckDb();
  let draft: DraftFile;
  try {
    const select = await stageCommits(duckdb, pagesOf(options, span));
    draft = await writeDraft(duckdb, archiveDir, path, select, { view, version, ...span });
  } finally {
    await duckdb.close();
  }
  await publishDraft(draft);
  await failAt?.('after-rename');
  const committed = await commitSpan(options, span, path, draft);
  await sweepCommits(pool, archiveDir, prefix, options);
  return committed ? span.rows : 0;
}

/** Thrown inside the transaction to leave it where another has rolled the same rows. */
class RolledByAnother extends Error {}

async function commitSpan(
  { pool, view, version, failAt }: RollCommitsOptions,
  span: Span,
  path: string,
  draft: DraftFile,
): Promise<boolean> {
  try {
    await withTransaction(pool, async (client) => {
      // Two that roll the same rows: the second finds them gone.
      const { rowCount } = await runSql(
        client,
        sqlText`
      DELETE FROM ${CATALOG}.commit_record
      WHERE view = ${view} AND version = ${version} AND seq >= ${span.fromSeq} AND seq < ${span.untilSeq}`,
      );
      if (rowCount !== span.rows) throw new RolledByAnother();
      await runSql(
        client,
        sqlText`
      INSERT INTO ${CATALOG}.commit_file (view, version, from_seq, until_seq, path, rows, size_bytes, sha256)
      VALUES (${view}, ${version}, ${span.fromSeq}, ${span.untilSeq}, ${path}, ${span.rows}, ${draft.sizeBytes}, ${draft.sha256})`,
      );
      await failAt?.('before-commit');
    });
  } catch (error) {
    if (error instanceof RolledByAnother) return false;
    throw error;
  }
  return true;
}

/** The oldest whole commits that may go: up to a file's worth, leaving the newest rows; null where they are too few. */
async function oldestSpan(options: RollCommitsOptions): Promise<Span | null> {
  const { pool, view, version } = options;
  const keepRows = options.keepRows ?? 100_000;
  const minRows = Math.max(options.minRows ?? 50_000, 1);
  const fileRows = Math.max(options.fileRows ?? 1_000_000, 1);
  const { rows } = await runSql<{ from_seq: number; until_seq: number; rows: number }>(
    pool,
    sqlText`
    WITH mine AS (SELECT seq FROM ${CATALOG}.commit_record WHERE view = ${view} AND version = ${version}),
    -- the row that is the first beyond the newest: its commit, and those after it, stay
    kept AS (SELECT seq FROM mine ORDER BY seq DESC OFFSET ${Math.max(keepRows - 1, 0)} LIMIT 1),
    -- beyond a file's worth of the oldest
    full_file AS (SELECT seq FROM mine ORDER BY seq OFFSET ${fileRows} LIMIT 1),
    span AS (
      SELECT (SELECT min(seq) FROM mine) AS from_seq, kept.seq AS kept_from, (SELECT seq FROM full_file) AS full_at FROM kept)
    SELECT from_seq, until_seq, (SELECT count(*) FROM mine WHERE seq < until_seq) AS rows
    FROM (SELECT from_seq, CASE WHEN full_at IS NULL THEN kept_from ELSE least(kept_from, greatest(full_at, from_seq + 1)) END AS until_seq
      FROM span) cut`,
  );
  const span = rows[0];
  if (span === undefined || span.rows < minRows) return null;
  return { fromSeq: span.from_seq, untilSeq: span.until_seq, rows: span.rows };
}

interface CommitRecordRow {
  readonly seq: number;
  readonly topic: string;
  readonly partition: number;
  readonly from_offset: number;
  readonly until_offset: number;
  readonly watermark_us: number | null;
  readonly committed_at_us: number;
  readonly fingerprint: string | null;
  readonly commit_id: string | null;
}

async function* pagesOf({ pool, view, version }: RollCommitsOptions, span: Span): AsyncGenerator<StoredCommit[]> {
  for (let from = span.fromSeq; from < span.untilSeq; from += PAGE_ROWS) {
    const { rows } = await runSql<CommitRecordRow>(
      pool,
      sqlText`
      SELECT seq, topic, partition, from_offset, until_offset, watermark_us, fingerprint, commit_id::text AS commit_id,
        (extract(epoch FROM committed_at) * 1000000)::bigint AS committed_at_us
      FROM ${CATALOG}.commit_record
      WHERE view = ${view} AND version = ${version} AND seq >= ${from} AND seq < ${Math.min(from + PAGE_ROWS, span.untilSeq)}
      ORDER BY seq, topic, partition`,
    );
    yield rows.map((row) => ({
      seq: row.seq,
      topic: row.topic,
      partition: row.partition,
      fromOffset: row.from_offset,
      untilOffset: row.until_offset,
      watermarkUs: row.watermark_us,
      committedAtUs: row.committed_at_us,
      fingerprint: row.fingerprint,
      commitId: row.commit_id === null ? null : BigInt(row.commit_id),
    }));
  }
}

/** Removes this version's files that nobody names and whose commits are all in named ones: they can never be named later. */
async function sweepCommits(
  pool: pg.Pool,
  archiveDir: string,
  prefix: string,
  { view, version, clock = systemClock }: RollCommitsOptions,
): Promise<void> {
  const nowMs = clock.nowUs() / 1000;
  const names = await readdir(join(archiveDir, COMMITS)).catch((error: unknown) => {
    if (isNotFound(error)) return [];
    throw error;
  });
  const found = names.filter((name) => name.startsWith(prefix));
  const { rows } = await runSql<{ path: string; from_seq: number; until_seq: number }>(
    pool,
    sqlText`
    SELECT path, from_seq, until_seq FROM ${CATALOG}.commit_file
    WHERE view = ${view} AND version = ${version} ORDER BY from_seq`,
  );
  const named = new Set(rows.map(({ path }) => path));
  // Rolled commits are contiguous from the first on.
  const rolledUntil = rows.at(-1)?.until_seq ?? 0;
  for (const name of found) {
    const span = /^(\d+)-(\d+)-.*\.parquet(?:\.tmp)?$/.exec(name.slice(prefix.length));
    if (span === null || named.has(`${COMMITS}/${name}`) || Number(span[2]) > rolledUntil) continue;
    // Whose maker lost its connection, and with it the lock, may still be writing: it finds its rows gone.
    if (name.endsWith('.tmp') && !(await isOlder(join(archiveDir, COMMITS, name), nowMs - TEMPORARY_FOR_MS))) continue;
    await removeFile(archiveDir, `${COMMITS}/${name}`);
  }
}
