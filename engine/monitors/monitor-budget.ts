import type pg from 'pg';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';
import { withTransaction } from '../postgres/transaction.ts';
import type { BucketTime } from './bucket-time.ts';
import type { FoldOptions } from './fold-options.ts';
import { hasLock } from './monitor-lock.ts';
import type { MonitorGrain } from './monitor-bucket.ts';
import { storeBucket, storedBucket } from './stored-buckets.ts';

/** What the monitors of a source may take, where it says nothing. */
export const DEFAULT_MONITOR_BYTES = 256 << 20;
/** Of how many of a name's segments sketches are kept, step by step, where the budget is spent. The whole's always are. */
const STEPS = [20, 10, 5, 2, 0];

/**
 * Notes what a source's monitors take; where that is more than they may, sketches of the smallest segments go, those of all buckets, until it is not, or none are left.
 * That sketches went, and when, stands in `monitor_source`; they do not come back.
 */
export async function keepBudget(
  options: Pick<FoldOptions, 'pool' | 'source' | 'budgetBytes' | 'signal'>,
): Promise<void> {
  const { pool, source, budgetBytes } = options;
  for (;;) {
    options.signal?.throwIfAborted();
    const next = await withTransaction(pool, async (client) => {
      if (!(await hasLock(client, source))) return null;
      const { bytes, sketched } = await noteBytes(client, source, budgetBytes);
      if (bytes <= budgetBytes) return null;
      return STEPS.find((step) => sketched === null || step < sketched) ?? null;
    });
    if (next === null) return;
    await runSql(
      pool,
      sqlText`
      UPDATE ${CATALOG}.monitor_source SET sketched = ${next}, dropped_at = clock_timestamp()
      WHERE source = ${source} AND (sketched IS NULL OR sketched > ${next})`,
    );
    for (const time of await bucketTimes(pool, source))
      await withTransaction(pool, async (client) => {
        if (!(await hasLock(client, source))) return;
        const bucket = await storedBucket(client, source, time);
        if (bucket !== null) await storeBucket(client, source, time, bucket, next);
      });
  }
}

async function noteBytes(
  client: pg.PoolClient,
  source: string,
  budgetBytes: number,
): Promise<{ bytes: number; sketched: number | null }> {
  const { rows } = await runSql<{ bytes: number; sketched: number | null }>(
    client,
    sqlText`
    UPDATE ${CATALOG}.monitor_source
    SET budget_bytes = ${budgetBytes},
      bytes = (SELECT coalesce(sum(bytes), 0)::bigint FROM ${CATALOG}.monitor_state WHERE source = ${source})
    WHERE source = ${source} RETURNING bytes, sketched`,
  );
  return rows[0] ?? { bytes: 0, sketched: null };
}

async function bucketTimes(pool: pg.Pool, source: string): Promise<BucketTime[]> {
  const { rows } = await runSql<{ grain: MonitorGrain; begin_ms: number }>(
    pool,
    sqlText`SELECT grain, begin_ms FROM ${CATALOG}.monitor_state WHERE source = ${source} ORDER BY begin_ms`,
  );
  return rows.map(({ grain, begin_ms }) => ({ grain, beginMs: begin_ms }));
}
