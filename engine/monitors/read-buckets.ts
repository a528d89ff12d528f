import type { Queryable } from '../postgres/queryable.ts';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { type SqlText, sqlText } from '../postgres/sql.ts';
import { fieldOfJson, type FieldJson, recordsOfJson, type RecordsJson } from './bucket-json.ts';
import type { MonitorBucket, MonitorGrain, MonitorPlace, MonitorSegment } from './monitor-bucket.ts';

/** Which buckets: what is not named is not looked at. */
export interface BucketFilter {
  readonly place?: MonitorPlace | undefined;
  readonly object?: string | undefined;
  /** A field, or null: what is told of records alone. Default: both, of all fields. */
  readonly field?: string | null | undefined;
  /** A segment, null: the whole, or `any`: the whole and all segments. Default null. */
  readonly segment?: MonitorSegment | null | 'any' | undefined;
  readonly grain?: MonitorGrain | undefined;
  /** Of the buckets' begins, UTC epoch ms. */
  readonly fromMs: number;
  /** Exclusive. */
  readonly untilMs: number;
  /** The first of so many, in the order of the answer. */
  readonly limit?: number | undefined;
}

interface BucketRow {
  readonly place: MonitorPlace;
  readonly object: string;
  readonly grain: MonitorGrain;
  readonly begin_ms: number;
  readonly segment_name: string;
  readonly segment_value: string;
  readonly records: RecordsJson | null;
  readonly fields: Readonly<Record<string, FieldJson>>;
}

/**
 * Buckets of event time, ordered by subject (place, object, field, segment; null first) and begin. An hour without records has none.
 * Hours that became a day are told as that day.
 *
 * @example
 * await readBuckets(pool, { place: 'source', object: 'flights', field: 'delay', segment: { name: 'origin', value: 'ORD' }, fromMs, untilMs });
 */
export async function readBuckets(on: Queryable, filter: BucketFilter): Promise<MonitorBucket[]> {
  const { field, limit } = filter;
  // Rows hold all fields of a bucket: where one is asked for, the others stay where they are.
  const fields =
    field === undefined
      ? sqlText`fields`
      : field === null
        ? sqlText`'{}'::jsonb AS fields`
        : sqlText`jsonb_build_object(${field}::text, fields->${field}::text) AS fields`;
  const has = typeof field === 'string' ? sqlText`AND fields ? ${field}::text` : sqlText``;
  // Of one field a row is a bucket.
  const first = field === undefined || limit === undefined ? sqlText`` : sqlText`LIMIT ${limit}`;
  const { rows } = await runSql<BucketRow & { [column: string]: unknown }>(
    on,
    sqlText`
    SELECT place, object, grain, begin_ms, segment_name, segment_value, records, ${fields}
    FROM ${CATALOG}.monitor_bucket
    WHERE begin_ms >= ${filter.fromMs} AND begin_ms < ${filter.untilMs} ${whereOf(filter)} ${has}
      ${field === null ? sqlText`AND records IS NOT NULL` : sqlText``}
    ORDER BY place, object, segment_name, segment_value, begin_ms, grain ${first}`,
  );
  const buckets = rows.flatMap((row) => bucketsOf(row, field));
  if (field === undefined) buckets.sort(bySubject);
  return limit === undefined ? buckets : buckets.slice(0, limit);
}

function whereOf({ place, object, segment = null, grain }: BucketFilter): SqlText {
  const of = (column: SqlText, value: string | undefined): SqlText =>
    value === undefined ? sqlText`` : sqlText`AND ${column} = ${value}`;
  const segments =
    segment === 'any'
      ? sqlText``
      : sqlText`AND segment_name = ${segment?.name ?? ''} AND segment_value = ${segment?.value ?? ''}`;
  return sqlText`${of(sqlText`place`, place)} ${of(sqlText`object`, object)} ${of(sqlText`grain`, grain)} ${segments}`;
}

function bucketsOf(row: BucketRow, field: string | null | undefined): MonitorBucket[] {
  const segment = row.segment_name === '' ? null : { name: row.segment_name, value: row.segment_value };
  const { place, object, grain } = row;
  const of = { place, object, segment, grain, beginMs: row.begin_ms };
  const buckets: MonitorBucket[] = [];
  if (row.records !== null && typeof field !== 'string')
    buckets.push({ ...of, field: null, ...recordsOfJson(row.records), values: null });
  for (const [name, summary] of Object.entries(row.fields))
    buckets.push({ ...of, field: name, ...fieldOfJson(summary), records: null });
  return buckets;
}

function bySubject(a: MonitorBucket, b: MonitorBucket): number {
  const keys = (bucket: MonitorBucket): (string | number)[] => [
    bucket.place,
    bucket.object,
    bucket.field ?? '',
    bucket.segment?.name ?? '',
    bucket.segment?.value ?? '',
    bucket.beginMs,
    bucket.grain,
  ];
  const ofB = keys(b);
  for (const [at, own] of keys(a).entries()) if (own !== ofB[at]) return own < ofB[at]! ? -1 : 1;
  return 0;
}
