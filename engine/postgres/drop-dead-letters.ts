import type pg from 'pg';
import { runSql } from './run-sql.ts';
import { CATALOG } from './schemas.ts';
import { sqlText } from './sql.ts';
import { withTransaction } from './transaction.ts';

/** Of one transaction. */
const STEP_ROWS = 2_000;
const STEP_BYTES = 64 * 2 ** 20;

export interface DropDeadLettersOptions {
  readonly pool: pg.Pool;
  readonly view: string;
  /** What the dead letters of its versions may take together, in bytes as `kept_size` counts them. */
  readonly keepBytes: number;
  /** Those that came before this go in any case; UTC epoch µs. */
  readonly beforeUs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Drops the oldest dead letters of a view until what is left is young enough and takes no more than `keepBytes`; how many went, and since when, stands in
 * `kept_size`. Those of a version that is being built stay: the build counts on them. In small transactions. Returns how many went.
 *
 * @example
 * await dropDeadLetters({ pool, view: 'route_delays', keepBytes: 256 * 2 ** 20, beforeUs: clock.nowUs() - 30 * DAY_US });
 */
export async function dropDeadLetters(options: DropDeadLettersOptions): Promise<number> {
  const { pool, signal } = options;
  let total = 0;
  for (;;) {
    signal?.throwIfAborted();
    const rows = await withTransaction(pool, (client) => dropStep(client, options));
    if (rows === 0) return total;
    total += rows;
  }
}

async function dropStep(client: pg.PoolClient, { view, keepBytes, beforeUs }: DropDeadLettersOptions): Promise<number> {
  const { rows } = await runSql<{ version: number; rows: number; bytes: number }>(
    client,
    sqlText`
    WITH kept AS (
      SELECT coalesce(sum(k.bytes), 0) - ${keepBytes}::bigint AS excess
      FROM ${CATALOG}.kept_size k JOIN ${CATALOG}.view_version v USING (view, version)
      WHERE k.kind = 'dead-letters' AND k.view = ${view} AND v.status <> 'building'),
    oldest AS (
      SELECT d.version, d.topic, d.partition, d."offset", d.created_at,
        ${CATALOG}.letter_bytes(d.view, d.topic, d.payload, d.reasons) AS bytes
      FROM ${CATALOG}.dead_letter d JOIN ${CATALOG}.view_version v USING (view, version)
      WHERE d.view = ${view} AND v.status <> 'building' ORDER BY d.created_at LIMIT ${STEP_ROWS}),
    summed AS (
      SELECT *, sum(bytes) OVER (ORDER BY created_at, version, topic, partition, "offset") - bytes AS before FROM oldest),
    gone AS (
      DELETE FROM ${CATALOG}.dead_letter d USING summed s
      WHERE d.view = ${view} AND d.version = s.version AND d.topic = s.topic AND d.partition = s.partition AND d."offset" = s."offset"
        AND s.before < ${STEP_BYTES}
        AND (s.before < (SELECT excess FROM kept) OR s.created_at < to_timestamp(${beforeUs}::bigint / 1000000.0))
      RETURNING d.version, s.bytes),
    counted AS (SELECT version, count(*) AS rows, sum(bytes)::bigint AS bytes FROM gone GROUP BY version)
    SELECT version, rows, bytes FROM counted ORDER BY version`,
  );
  let total = 0;
  for (const { version, rows: dropped, bytes } of rows) {
    total += dropped;
    // Of this transaction, in which the trigger has taken the row: nobody comes between.
    await runSql(
      client,
      sqlText`
      UPDATE ${CATALOG}.kept_size
      SET dropped_rows = dropped_rows + ${dropped}, dropped_bytes = dropped_bytes + ${bytes}, first_dropped_at = coalesce(first_dropped_at, now())
      WHERE kind = 'dead-letters' AND view = ${view} AND version = ${version}`,
    );
  }
  return total;
}
