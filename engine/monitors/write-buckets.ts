import type { Queryable } from '../postgres/queryable.ts';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';
import { rowJson } from './bucket-json.ts';
import type { MonitorBucket } from './monitor-bucket.ts';

/** Rows sent at once. */
const ROWS = 500;
/** Of a row and its index, beside what it says. */
const ROW_BYTES = 120;

/**
 * Writes buckets in place of those that stood there. Buckets of one (place, object, grain, begin, segment) make one row, whose other fields go: give
 * all of them at once. Idempotent. Returns the bytes of what was written, about.
 */
export async function writeBuckets(on: Queryable, buckets: readonly MonitorBucket[]): Promise<number> {
  const byRow = new Map<string, MonitorBucket[]>();
  for (const bucket of buckets) {
    const { place, object, grain, beginMs, segment } = bucket;
    const key = JSON.stringify([place, object, grain, beginMs, segment?.name ?? '', segment?.value ?? '']);
    const of = byRow.get(key);
    if (of === undefined) byRow.set(key, [bucket]);
    else of.push(bucket);
  }
  const rows = [...byRow.values()].map((of) => {
    const { records, fields } = rowJson(of);
    return {
      ...of[0]!,
      recordsText: records === null ? null : JSON.stringify(records),
      fieldsText: JSON.stringify(fields),
    };
  });
  for (let from = 0; from < rows.length; from += ROWS) {
    const some = rows.slice(from, from + ROWS);
    await runSql(
      on,
      sqlText`
      INSERT INTO ${CATALOG}.monitor_bucket (place, object, grain, begin_ms, segment_name, segment_value, records, fields)
      SELECT * FROM unnest(${some.map((row) => row.place)}::text[], ${some.map((row) => row.object)}::text[],
        ${some.map((row) => row.grain)}::text[], ${some.map((row) => row.beginMs)}::bigint[],
        ${some.map((row) => row.segment?.name ?? '')}::text[], ${some.map((row) => row.segment?.value ?? '')}::text[],
        ${some.map((row) => row.recordsText)}::jsonb[],
        ${some.map((row) => row.fieldsText)}::jsonb[])
      ON CONFLICT (place, object, grain, begin_ms, segment_name, segment_value)
      DO UPDATE SET records = excluded.records, fields = excluded.fields`,
    );
  }
  return rows.reduce((sum, row) => sum + (row.recordsText?.length ?? 0) + row.fieldsText.length + ROW_BYTES, 0);
}
