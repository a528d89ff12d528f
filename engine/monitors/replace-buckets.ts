import type pg from 'pg';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';
import { BucketState } from './bucket-state.ts';
import { type BucketTime, settledTime } from './bucket-time.ts';
import type { MonitorPart } from './gather-records.ts';
import type { MonitorGrain } from './monitor-bucket.ts';
import { deleteBucket, monitorSource, storeBucket } from './stored-buckets.ts';

interface Replacement {
  readonly source: string;
  readonly parts: readonly MonitorPart[];
  /** Parts of files whose records are among them. */
  readonly partIds: readonly number[];
  /** Which buckets are replaced. */
  readonly isIn: (time: BucketTime) => boolean;
  /** All are: sketches that were dropped come back, and go again where there is no room for them. */
  readonly isWhole: boolean;
}

/** Puts buckets in place of those that are there, in one transaction of a connection that holds the source's lock. Returns how many. */
export async function replaceBuckets(client: pg.PoolClient, replacement: Replacement): Promise<number> {
  await client.query('BEGIN');
  const buckets = await replace(client, replacement);
  await client.query('COMMIT');
  return buckets;
}

async function replace(client: pg.PoolClient, { source, parts, partIds, isIn, isWhole }: Replacement): Promise<number> {
  const newest = parts[0]?.newestMs ?? null;
  if (isWhole)
    await runSql(client, sqlText`UPDATE ${CATALOG}.monitor_source SET sketched = NULL WHERE source = ${source}`);
  const { newestMs, sketched } = await monitorSource(client, source, newest);
  const isReplaced = (time: BucketTime): boolean => isIn(settledTime(time, newestMs));
  const merged = new Map<string, { time: BucketTime; bucket: BucketState }>();
  for (const { grain, beginMs, state } of parts) {
    const time = settledTime({ grain, beginMs }, newestMs);
    if (!isIn(time)) continue;
    const key = `${time.grain} ${time.beginMs}`;
    const held = merged.get(key);
    const bucket = BucketState.ofStored(state);
    if (held === undefined) merged.set(key, { time, bucket });
    else held.bucket.merge(bucket);
  }
  for (const time of await timesIn(client, source)) if (isReplaced(time)) await deleteBucket(client, source, time);
  for (const { time, bucket } of merged.values()) await storeBucket(client, source, time, bucket, sketched);
  const { rows } = await runSql<{ id: number; grain: MonitorGrain; begin_ms: number }>(
    client,
    sqlText`SELECT id, grain, begin_ms FROM ${CATALOG}.monitor_part WHERE id = ANY(${[...partIds]}::bigint[])`,
  );
  const gone = rows.filter(({ grain, begin_ms }) => isReplaced({ grain, beginMs: begin_ms })).map(({ id }) => id);
  await runSql(client, sqlText`DELETE FROM ${CATALOG}.monitor_part WHERE id = ANY(${gone}::bigint[])`);
  return merged.size;
}

async function timesIn(client: pg.PoolClient, source: string): Promise<BucketTime[]> {
  const { rows } = await runSql<{ grain: MonitorGrain; begin_ms: number }>(
    client,
    sqlText`SELECT grain, begin_ms FROM ${CATALOG}.monitor_state WHERE source = ${source}`,
  );
  return rows.map(({ grain, begin_ms }) => ({ grain, beginMs: begin_ms }));
}
