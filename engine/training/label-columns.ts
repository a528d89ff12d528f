import type { MillraceErrorCode } from '../errors/error-codes.ts';
import type { Reading } from '../values/convert.ts';
import { parseColumnType } from '../values/column-type.ts';
import { expectedOf } from '../values/expected-words.ts';
import type { ScalarType } from '../values/field-type.ts';
import { KEY_SPELLING } from '../values/spelling.ts';
import { formAdvice } from '../values/typed-reading.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import { type TimeReading, type TimeRule, timeReading } from './label-time.ts';
import { outputSql } from './scalar-sql.ts';
import { readingOf, SPINE_TABLE, type SpineColumn } from './spine-columns.ts';
import { missingColumn, type SpineFault } from './spine-faults.ts';
import type { SpinePlace } from './spine-labels.ts';

/** What a column is for, in messages; of a join key see `labelReadings`. */
export const TIME_PURPOSE = 'the label time';
export const REQUEST_PURPOSE = 'the request id';
export const GIVEN_PURPOSE = 'a value of the request';

/** A column that is needed, and how it is understood. */
export interface LabelColumn {
  readonly column: SpineColumn;
  readonly purpose: string;
  /** Of the values that are read: a label time is a `timestamp`, a request id a `string`. */
  readonly type: ScalarType;
  readonly reading: Reading;
  /** What to do about a value that is refused, where there is more to do than to correct it. */
  readonly remedyOf?: TimeReading['remedyOf'] | undefined;
  readonly areDates?: TimeReading['areDates'] | undefined;
  /** Whether a row may have none. */
  readonly nullable?: true | undefined;
  /** Its column in the table of what was read. */
  readonly staged: string;
}

/** How the spine's columns are understood; `faults` names the columns that are not there or can never be. */
export interface LabelReadings {
  readonly time: LabelColumn | null;
  /** Where the rows name requests. */
  readonly request: LabelColumn | null;
  /** Whether what stands as the request is the decision. */
  readonly isDecided?: true | undefined;
  /** Per place, per key. */
  readonly keys: readonly (readonly (LabelColumn | null)[])[];
  /** What else a service is given with a request. Default: nothing. */
  readonly given?: readonly LabelColumn[] | undefined;
  readonly faults: readonly SpineFault[];
}

/** The columns to read, each once per use. */
export function columnsToRead({ time, request, keys, given = [] }: LabelReadings): LabelColumn[] {
  return [time, request, ...keys.flat(), ...given].filter((column) => column !== null);
}

/** Finds the label time (where one is named) and every join key among the spine's columns. */
export async function labelReadings(
  duckdb: DuckDb,
  columns: readonly SpineColumn[],
  places: readonly SpinePlace[],
  timeColumn: string | null,
  rule: TimeRule,
): Promise<LabelReadings> {
  const faults: SpineFault[] = [];
  const names = columns.map((column) => column.name);
  const missing = new Set<string>();
  const find = (name: string, purpose: string): SpineColumn | null => {
    const column = columns.find((candidate) => candidate.name === name) ?? null;
    if (column === null && !missing.has(name)) faults.push(missingColumn(name, purpose, names));
    if (column === null) missing.add(name);
    return column;
  };

  let time: LabelColumn | null = null;
  const timeSource = timeColumn === null ? null : find(timeColumn, TIME_PURPOSE);
  if (timeSource !== null) {
    const column = await fitting(duckdb, timeSource, (one) => !('message' in timeReading(one, rule, true)));
    const found = timeReading(column, rule, true);
    if ('message' in found) faults.push(columnFault('spine-bad-time', column, TIME_PURPOSE, found));
    else time = { column, purpose: TIME_PURPOSE, type: { kind: 'timestamp' }, staged: 'time_us', ...found };
  }

  const keys: (LabelColumn | null)[][] = [];
  for (const { number, entity, columns: named } of places) {
    const ofPlace: (LabelColumn | null)[] = [];
    for (const [k, { name, type }] of entity.keys.entries()) {
      const purpose = `join key ${named[k] === name ? '' : `"${name}" `}of entity "${entity.name}"`;
      const source = find(named[k]!, purpose);
      const readAs = (one: SpineColumn) => keyReading(one, type, rule);
      const column = source && (await fitting(duckdb, source, (one) => !('message' in readAs(one))));
      const found = column && readAs(column);
      if (column === null || found === null) ofPlace.push(null);
      else if ('message' in found) {
        faults.push(columnFault('spine-bad-key', column, purpose, found));
        ofPlace.push(null);
      } else ofPlace.push({ column, purpose, type, staged: `p${number}k${k}`, ...found });
    }
    keys.push(ofPlace);
  }
  return { time, request: null, keys, faults };
}

type KeyReading = Pick<LabelColumn, 'reading' | 'remedyOf'> | Omit<SpineFault, 'code'>;

function keyReading(column: SpineColumn, type: ScalarType, rule: TimeRule): KeyReading {
  if (type.kind === 'timestamp') {
    const found = timeReading(column, rule, false);
    return 'message' in found ? found : { reading: found.reading, remedyOf: found.remedyOf };
  }
  const reading = readingOf(column, type, KEY_SPELLING);
  if (reading !== null) return { reading };
  return {
    message: `is ${column.type}; expected ${expectedOf(type)}`,
    remedy: formAdvice(type, parseColumnType(column.type), KEY_SPELLING),
  };
}

/** A fault of a column as a whole. */
export function columnFault(
  code: MillraceErrorCode,
  { name }: SpineColumn,
  purpose: string,
  { message, remedy }: Omit<SpineFault, 'code'>,
): SpineFault {
  return { code, message: `column "${name}" (${purpose}) ${message}`, remedy };
}

/** A column as it is, or where its type does not fit and no row has a value, as one of text: it fits everything, as in a history. */
export async function fitting(
  duckdb: DuckDb,
  column: SpineColumn,
  fits: (column: SpineColumn) => boolean,
): Promise<SpineColumn> {
  if (fits(column)) return column;
  const found = await duckdb.query(`SELECT 1 FROM ${SPINE_TABLE} WHERE ${column.raw.expression} IS NOT NULL LIMIT 1`);
  if (found.length > 0) return column;
  return { ...column, type: 'VARCHAR', raw: { door: 'text', expression: 'NULL::VARCHAR', type: 'VARCHAR' } };
}

/**
 * How the spine's own columns go to the output: of a text format what was read of keys and times, in their types (SQL over `read`, the staged
 * table); all else as it came in.
 */
export function outputColumns(
  columns: readonly SpineColumn[],
  readings: LabelReadings,
  read: string,
): { name: string; sql: string }[] {
  const byName = new Map(columnsToRead(readings).map((label) => [label.column.name, label]));
  return columns.map(({ name, output, raw }) => {
    const label = byName.get(name);
    const asItIs = { name, sql: output };
    if (label === undefined || raw.door === 'typed') return asItIs;
    const { type, staged, areDates } = label;
    const text = raw.door === 'text' ? raw.expression : output;
    if (type.kind === 'string' || type.kind === 'enum') return { name, sql: text };
    // A day stays one: which instant it stands for is in the manifest.
    if (areDates?.() === true) return { name, sql: `CAST(${text} AS DATE)` };
    return { name, sql: outputSql(type, `${read}.${staged}`) };
  });
}
