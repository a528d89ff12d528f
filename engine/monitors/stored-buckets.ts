import type { Queryable } from '../postgres/queryable.ts';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';
import { bucketRows, SKETCHED_SEGMENTS } from './bucket-rows.ts';
import { BucketState } from './bucket-state.ts';
import type { BucketTime } from './bucket-time.ts';
import { writeBuckets } from './write-buckets.ts';

/** What a source's monitors are told by. */
export interface MonitorSource {
  readonly newestMs: number | null;
  /** Of how many of a name's segments sketches are kept; null: of all that are held. */
  readonly sketched: number | null;
}

/** The row of a source, after newer records told of a time. */
export async function monitorSource(on: Queryable, source: string, newestMs: number | null): Promise<MonitorSource> {
  const { rows } = await runSql<{ newest_ms: number | null; sketched: number | null }>(
    on,
    sqlText`
    INSERT INTO ${CATALOG}.monitor_source AS s (source, newest_ms) VALUES (${source}, ${newestMs})
    ON CONFLICT (source) DO UPDATE SET newest_ms = greatest(s.newest_ms, excluded.newest_ms), folded_at = clock_timestamp()
    RETURNING newest_ms, sketched`,
  );
  return { newestMs: rows[0]!.newest_ms, sketched: rows[0]!.sketched };
}

/** Null: there is no such bucket. */
export async function storedBucket(on: Queryable, source: string, time: BucketTime): Promise<BucketState | null> {
  const { rows } = await runSql<{ state: Buffer }>(
    on,
    sqlText`
    SELECT state FROM ${CATALOG}.monitor_state
    WHERE source = ${source} AND grain = ${time.grain} AND begin_ms = ${time.beginMs}`,
  );
  return rows[0] === undefined ? null : BucketState.ofStored(rows[0].state);
}

/** Puts a bucket in place of the one that stood there, with what readers see of it. */
export async function storeBucket(
  on: Queryable,
  source: string,
  time: BucketTime,
  bucket: BucketState,
  sketched: number | null,
): Promise<void> {
  if (sketched !== null) bucket.keepSketches(sketched);
  const state = Buffer.from(bucket.stored());
  await deleteRows(on, source, time);
  const bytes = await writeBuckets(on, bucketRows(source, time, bucket, sketched ?? SKETCHED_SEGMENTS));
  await runSql(
    on,
    sqlText`
    INSERT INTO ${CATALOG}.monitor_state (source, grain, begin_ms, state, bytes)
    VALUES (${source}, ${time.grain}, ${time.beginMs}, ${state}, ${state.length + bytes})
    ON CONFLICT (source, grain, begin_ms) DO UPDATE SET state = excluded.state, bytes = excluded.bytes`,
  );
}

/** Removes a bucket, and what readers saw of it. */
export async function deleteBucket(on: Queryable, source: string, time: BucketTime): Promise<void> {
  await deleteRows(on, source, time);
  await runSql(
    on,
    sqlText`
    DELETE FROM ${CATALOG}.monitor_state
    WHERE source = ${source} AND grain = ${time.grain} AND begin_ms = ${time.beginMs}`,
  );
}

async function deleteRows(on: Queryable, source: string, { grain, beginMs }: BucketTime): Promise<void> {
  await runSql(
    on,
    sqlText`
    DELETE FROM ${CATALOG}.monitor_bucket
    WHERE place = 'source' AND object = ${source} AND grain = ${grain} AND begin_ms = ${beginMs}`,
  );
}
