import type { MonitorBucket, RecordSummary, ValueSummary } from './monitor-bucket.ts';

/** Of records, as a row holds it: short, since there are many. */
export interface RecordsJson {
  readonly n: number;
  readonly invalid?: Readonly<Record<string, number>>;
  readonly left?: Readonly<Record<string, number>>;
  readonly lag?: number;
  readonly found?: number;
}

/** Of a field. */
export interface FieldJson {
  readonly n: number;
  readonly nulls?: number;
  /** Sum, sum of squares, zeros. What JSON has no number for is text. */
  readonly num?: readonly [sum: number | string, squares: number | string, zeros: number];
  /** bucket, count, bucket, count, … */
  readonly bins?: readonly number[];
  readonly top?: readonly (readonly [text: string, count: number])[];
  readonly others?: number;
  readonly distinct?: number;
}

/** What a row holds of records. */
export function jsonOfRecords(count: number, { invalid, leftOut, lagSumMs, found }: RecordSummary): RecordsJson {
  return {
    n: count,
    ...(invalid.size === 0 ? {} : { invalid: Object.fromEntries(invalid) }),
    ...(leftOut.size === 0 ? {} : { left: Object.fromEntries(leftOut) }),
    ...(lagSumMs === 0 ? {} : { lag: lagSumMs }),
    ...(found === null ? {} : { found }),
  };
}

export function recordsOfJson({ n, invalid = {}, left = {}, lag = 0, found }: RecordsJson): {
  count: number;
  records: RecordSummary;
} {
  return {
    count: n,
    records: {
      invalid: new Map(Object.entries(invalid)),
      leftOut: new Map(Object.entries(left)),
      lagSumMs: lag,
      found: found ?? null,
    },
  };
}

/** What a row holds of a field. */
export function jsonOfField(count: number, { nulls, numbers, bins, top, distinct }: ValueSummary): FieldJson {
  return {
    n: count,
    ...(nulls === 0 ? {} : { nulls }),
    ...(numbers === null ? {} : { num: [jsonNumber(numbers.sum), jsonNumber(numbers.squares), numbers.zeros] }),
    ...(bins === null ? {} : { bins: [...bins].flat() }),
    ...(top === null ? {} : { top: [...top.counts], others: top.others }),
    ...(distinct === null ? {} : { distinct }),
  };
}

export function fieldOfJson({ n, nulls = 0, num, bins, top, others = 0, distinct }: FieldJson): {
  count: number;
  values: ValueSummary;
} {
  return {
    count: n,
    values: {
      nulls,
      numbers: num === undefined ? null : { sum: Number(num[0]), squares: Number(num[1]), zeros: num[2] },
      bins: bins === undefined ? null : binsOf(bins),
      top: top === undefined ? null : { counts: new Map(top), others },
      distinct: distinct ?? null,
    },
  };
}

/** What rows hold of buckets, one of records or of a field each, that belong to one row. */
export function rowJson(buckets: readonly MonitorBucket[]): {
  records: RecordsJson | null;
  fields: Record<string, FieldJson>;
} {
  let records: RecordsJson | null = null;
  const fields: Record<string, FieldJson> = {};
  for (const bucket of buckets) {
    if (bucket.field === null && bucket.records !== null) records = jsonOfRecords(bucket.count, bucket.records);
    if (bucket.field !== null && bucket.values !== null)
      fields[bucket.field] = jsonOfField(bucket.count, bucket.values);
  }
  return { records, fields };
}

function jsonNumber(value: number): number | string {
  return Number.isFinite(value) ? value : `${value}`;
}

function binsOf(pairs: readonly number[]): Map<number, number> {
  const bins = new Map<number, number>();
  for (let at = 0; at < pairs.length; at += 2) bins.set(pairs[at]!, pairs[at + 1]!);
  return bins;
}
