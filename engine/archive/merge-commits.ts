import type pg from 'pg';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';
import { withTransaction } from '../postgres/transaction.ts';
import { oneAtATime } from './one-at-a-time.ts';
import { commitsLock } from './roll-commits.ts';

export interface MergeCommitsOptions {
  readonly pool: pg.Pool;
  readonly view: string;
  readonly version: number;
  /** What its commit records may take, in bytes as `kept_size` counts them. */
  readonly keepBytes: number;
  /** Rows of one transaction, about. Default 20,000. */
  readonly stepRows?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** For tests: what is thrown there is treated as the process dying there. */
  readonly failAt?: ((point: 'before-commit') => void | Promise<void>) | undefined;
}

/**
 * Merges the oldest commits of a version into one until its records take no more than `keepBytes`: what they took of each partition stays exact, and so
 * does all that is asked about later times; which of them was visible when is not told any more (`commits-merged`). For sources that no archive keeps the commits
 * of. The newest commit stays as it is. In small transactions; one at a time per version, beside `rollCommits`. Returns how many rows went.
 *
 * @example
 * await mergeCommits({ pool, view: 'route_delays', version: 3, keepBytes: 256 * 2 ** 20 });
 */
export async function mergeCommits(options: MergeCommitsOptions): Promise<number> {
  const { pool, view, version, signal } = options;
  const merged = await oneAtATime(pool, commitsLock(view, version), async () => {
    let total = 0;
    for (;;) {
      signal?.throwIfAborted();
      const rows = await mergeStep(options);
      if (rows === 0) return total;
      total += rows;
    }
  });
  return merged ?? 0;
}

async function mergeStep(options: MergeCommitsOptions): Promise<number> {
  const { pool, view, version, failAt } = options;
  return withTransaction(pool, async (client) => {
    const span = await oldestSpan(client, options);
    if (span === null) return 0;
    const { fromSeq, lastSeq } = span;
    await noteMerged(client, options, span);
    const { rows } = await runSql<{ gone: number; stay: number }>(
      client,
      sqlText`
      WITH gone AS (
        DELETE FROM ${CATALOG}.commit_record
        WHERE view = ${view} AND version = ${version} AND seq >= ${fromSeq} AND seq <= ${lastSeq} RETURNING *),
      stay AS (
        INSERT INTO ${CATALOG}.commit_record
          (view, version, seq, topic, partition, from_offset, until_offset, watermark_us, committed_at, fingerprint, commit_id)
        SELECT ${view}, ${version}, ${lastSeq}, topic, partition, min(from_offset), max(until_offset),
          (array_agg(watermark_us ORDER BY seq DESC))[1], (SELECT max(committed_at) FROM gone),
          -- That other code took part is not forgotten.
          coalesce(max(fingerprint) FILTER (WHERE fingerprint <> ${span.fingerprint}), max(fingerprint)),
          -- Of the last alone: those of the others are not told any more.
          (SELECT max(commit_id) FROM gone WHERE seq = ${lastSeq})
        FROM gone GROUP BY topic, partition RETURNING 1)
      SELECT (SELECT count(*) FROM gone) AS gone, (SELECT count(*) FROM stay) AS stay`,
    );
    const { gone, stay } = rows[0]!;
    // Whoever holds the same rows has lost its lock to us, or we ours to it: then nothing of this happens.
    if (gone !== span.rows) throw new MergedByAnother();
    await runSql(
      client,
      sqlText`
      UPDATE ${CATALOG}.kept_size
      SET dropped_rows = dropped_rows + ${gone - stay}, dropped_bytes = dropped_bytes + ${(gone - stay) * span.rowBytes}::bigint,
        first_dropped_at = coalesce(first_dropped_at, now())
      WHERE kind = 'commits' AND view = ${view} AND version = ${version}`,
    );
    await failAt?.('before-commit');
    return gone - stay;
  }).catch((error: unknown) => {
    if (error instanceof MergedByAnother) return 0;
    throw error;
  });
}

/** Thrown inside the transaction to leave it where another moves the same rows. */
class MergedByAnother extends Error {}

interface Span {
  readonly fromSeq: number;
  /** Inclusive. */
  readonly lastSeq: number;
  readonly rows: number;
  /** What a row of the version takes, about. */
  readonly rowBytes: number;
  /** Of the version. */
  readonly fingerprint: string;
}

/** The oldest whole commits, as many as have to go or as one transaction takes; null where none have, or there is but one to merge. */
async function oldestSpan(
  client: pg.PoolClient,
  { view, version, keepBytes, stepRows = 20_000 }: MergeCommitsOptions,
): Promise<Span | null> {
  const { rows: sizes } = await runSql<{ rows: number; bytes: number; fingerprint: string }>(
    client,
    sqlText`
    SELECT k.rows, k.bytes, v.fingerprint FROM ${CATALOG}.kept_size k JOIN ${CATALOG}.view_version v USING (view, version)
    WHERE k.kind = 'commits' AND k.view = ${view} AND k.version = ${version}`,
  );
  const size = sizes[0];
  if (size === undefined || size.bytes <= keepBytes || size.rows < 2) return null;
  const rowBytes = Math.ceil(size.bytes / size.rows);
  const excess = Math.ceil((size.bytes - keepBytes) / rowBytes);
  const { rows } = await runSql<{ from_seq: number; last_seq: number; rows: number; partitions: number }>(
    client,
    sqlText`
    WITH mine AS (SELECT seq, topic, partition FROM ${CATALOG}.commit_record WHERE view = ${view} AND version = ${version}),
    -- what stands for them has a row per partition: beyond these, as many as are to go
    partitions AS (
      SELECT greatest(
        (SELECT count(*) FROM mine WHERE seq = (SELECT min(seq) FROM mine)),
        (SELECT count(*) FROM ${CATALOG}.stream_offset WHERE view = ${view} AND version = ${version})) AS n),
    last_to_go AS (
      SELECT seq FROM mine ORDER BY seq OFFSET ${Math.min(excess, stepRows) - 1} + (SELECT n FROM partitions) LIMIT 1)
    SELECT min(seq) AS from_seq, max(seq) AS last_seq, count(*) AS rows, count(DISTINCT (topic, partition)) AS partitions
    FROM mine
    WHERE seq < (SELECT max(seq) FROM mine) AND seq <= coalesce((SELECT seq FROM last_to_go), (SELECT max(seq) FROM mine))
    HAVING count(*) > 0`,
  );
  const span = rows[0];
  if (span === undefined || span.rows <= span.partitions) return null;
  return { fromSeq: span.from_seq, lastSeq: span.last_seq, rows: span.rows, rowBytes, fingerprint: size.fingerprint };
}

/** Those that were merged into the oldest one before go on into this one. */
async function noteMerged(
  client: pg.PoolClient,
  { view, version }: MergeCommitsOptions,
  { fromSeq, lastSeq }: Span,
): Promise<void> {
  const { rowCount } = await runSql(
    client,
    sqlText`
    UPDATE ${CATALOG}.commit_merge SET last_seq = ${lastSeq}
    WHERE view = ${view} AND version = ${version} AND last_seq = ${fromSeq}`,
  );
  if (rowCount !== 0) return;
  await runSql(
    client,
    sqlText`
    INSERT INTO ${CATALOG}.commit_merge (view, version, from_seq, last_seq, began_at)
    SELECT ${view}, ${version}, ${fromSeq}, ${lastSeq}, min(committed_at) FROM ${CATALOG}.commit_record
    WHERE view = ${view} AND version = ${version} AND seq = ${fromSeq}`,
  );
}
