import type pg from 'pg';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';
import { withTransaction } from '../postgres/transaction.ts';
import { BucketState } from './bucket-state.ts';
import { type BucketTime, DAYS_FOR_MS, HOURS_FOR_MS, settledTime } from './bucket-time.ts';
import { keepBudget } from './monitor-budget.ts';
import type { FoldOptions } from './fold-options.ts';
import { hasLock } from './monitor-lock.ts';
import type { MonitorGrain } from './monitor-bucket.ts';
import { deleteBucket, monitorSource, storeBucket, storedBucket } from './stored-buckets.ts';

/** Parts of one transaction, and of one that puts hours into days. */
const PARTS_AT_ONCE = 64;
const BUCKETS_AT_ONCE = 48;

export interface FoldResult {
  /** Parts that went into buckets. */
  readonly parts: number;
  /** Buckets that went into longer ones. */
  readonly settled: number;
  /** False: another was at it, and nothing was done. */
  readonly free: boolean;
}

/**
 * Folds what archived files told into the buckets of their source, and puts hours into days after 8 days and days into weeks after 8 weeks. Each step deletes what it
 * took in the transaction that adds it: it may end anywhere, and be called again by anyone. Throws `state-corrupt`.
 *
 * @example
 * await foldMonitors({ pool, source: 'flights', budgetBytes: 256 << 20 });
 */
export async function foldMonitors(options: FoldOptions): Promise<FoldResult> {
  let parts = 0;
  let settled = 0;
  for (const step of [foldSome, settleSome]) {
    for (;;) {
      options.signal?.throwIfAborted();
      const done = await withTransaction(options.pool, async (client) => {
        if (!(await hasLock(client, options.source))) return null;
        const some = await step(client, options);
        await options.failAt?.('before-commit');
        return some;
      });
      await options.failAt?.('after-commit');
      if (done === null) return { parts, settled, free: false };
      if (done === 0) break;
      if (step === foldSome) parts += done;
      else settled += done;
    }
  }
  if (parts + settled > 0) await keepBudget(options);
  return { parts, settled, free: true };
}

interface PartRow {
  readonly id: number;
  readonly grain: MonitorGrain;
  readonly begin_ms: number;
  readonly newest_ms: number | null;
  readonly state: Buffer;
}

async function foldSome(client: pg.PoolClient, options: FoldOptions): Promise<number> {
  const { source } = options;
  const { rows } = await runSql<PartRow & { [column: string]: unknown }>(
    client,
    sqlText`
    SELECT id, grain, begin_ms, newest_ms, state FROM ${CATALOG}.monitor_part
    WHERE source = ${source} ORDER BY id LIMIT ${PARTS_AT_ONCE}`,
  );
  if (rows.length === 0) return 0;
  const newest = rows.reduce<number | null>(
    (most, { newest_ms }) => (newest_ms === null ? most : Math.max(most ?? newest_ms, newest_ms)),
    null,
  );
  const { newestMs, sketched } = await monitorSource(client, source, newest);
  const merged = new Map<string, { time: BucketTime; bucket: BucketState }>();
  for (const { grain, begin_ms, state } of rows) {
    const time = settledTime({ grain, beginMs: begin_ms }, newestMs);
    const bucket = BucketState.ofStored(state);
    const key = `${time.grain} ${time.beginMs}`;
    const held = merged.get(key);
    if (held === undefined) merged.set(key, { time, bucket });
    else held.bucket.merge(bucket);
  }
  for (const { time, bucket } of merged.values()) {
    const stored = await storedBucket(client, source, time);
    stored?.merge(bucket);
    await storeBucket(client, source, time, stored ?? bucket, sketched);
  }
  await options.failAt?.('after-merge');
  await runSql(
    client,
    sqlText`DELETE FROM ${CATALOG}.monitor_part WHERE id = ANY(${rows.map(({ id }) => id)}::bigint[])`,
  );
  return rows.length;
}

/** Puts buckets that are old by now into longer ones. */
async function settleSome(client: pg.PoolClient, options: FoldOptions): Promise<number> {
  const { source } = options;
  const { newestMs, sketched } = await monitorSource(client, source, null);
  if (newestMs === null) return 0;
  const { rows } = await runSql<{ grain: MonitorGrain; begin_ms: number }>(
    client,
    sqlText`
    SELECT grain, begin_ms FROM ${CATALOG}.monitor_state
    WHERE source = ${source} AND (grain = 'hour' AND begin_ms < ${newestMs - HOURS_FOR_MS}
      OR grain = 'day' AND begin_ms < ${newestMs - DAYS_FOR_MS})
    ORDER BY begin_ms`,
  );
  const old = rows
    .map(({ grain, begin_ms }) => ({ grain, beginMs: begin_ms }))
    .filter((time) => settledTime(time, newestMs).grain !== time.grain)
    .slice(0, BUCKETS_AT_ONCE);
  const merged = new Map<string, { time: BucketTime; bucket: BucketState }>();
  for (const time of old) {
    const bucket = (await storedBucket(client, source, time))!;
    const into = settledTime(time, newestMs);
    const key = `${into.grain} ${into.beginMs}`;
    const held = merged.get(key);
    if (held === undefined) merged.set(key, { time: into, bucket });
    else held.bucket.merge(bucket);
    await deleteBucket(client, source, time);
  }
  for (const { time, bucket } of merged.values()) {
    const stored = await storedBucket(client, source, time);
    stored?.merge(bucket);
    await storeBucket(client, source, time, stored ?? bucket, sketched);
  }
  return old.length;
}
