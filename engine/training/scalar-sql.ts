import type { ScalarType } from '../values/field-type.ts';
import type { BoundValues } from './bound-values.ts';

/** The output column type of a value of `type`, as DuckDB names it. */
export function outputSqlType(type: ScalarType): string {
  switch (type.kind) {
    case 'string':
    case 'enum':
      return 'VARCHAR';
    case 'boolean':
      return 'BOOLEAN';
    case 'int':
    case 'int64':
      return 'BIGINT';
    case 'decimal':
      return `DECIMAL(${type.precision}, ${type.scale})`;
    case 'double':
      return 'DOUBLE';
    case 'timestamp':
      return 'TIMESTAMPTZ';
    case 'date':
      return 'DATE';
  }
}

/** How a feature's value waits in a DuckDB table between engine and output: the exact form that is cheapest to write and to read back. */
export function stagedSqlType(type: ScalarType): string {
  switch (type.kind) {
    case 'string':
    case 'enum':
    case 'date':
      return 'VARCHAR';
    case 'timestamp':
      return 'BIGINT';
    case 'boolean':
    case 'int':
    case 'int64':
    case 'decimal':
    case 'double':
      return outputSqlType(type);
  }
}

/** SQL from the staged form to the output form. Exact: every staged text has the digits its type can hold. */
export function outputSql(type: ScalarType, staged: string): string {
  switch (type.kind) {
    case 'timestamp':
      return `make_timestamptz(${staged})`;
    case 'decimal':
    case 'date':
      return `CAST(${staged} AS ${outputSqlType(type)})`;
    case 'string':
    case 'enum':
    case 'boolean':
    case 'int':
    case 'int64':
    case 'double':
      return staged;
  }
}

/** How a spine's column is understood: SQL giving the staged form, NULL where the value is none of the type. */
export interface ColumnReading {
  readonly sql: string;
  /** For messages: what the column should hold. */
  readonly expected: string;
}

const INTEGER_TYPES = /^(U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT))$/;
const NUMBER_TEXT = String.raw`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`;
const TIME_TEXT = String.raw`^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6}0*)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?$`;

/**
 * Reads column `column` (SQL, quoted) of DuckDB type `columnType` as a time: staged as epoch µs. A TIMESTAMP without a zone and
 * a text without an offset count as UTC; a text must be ISO 8601; digits finer than a microsecond must be zero.
 */
export function timeReading(column: string, columnType: string): ColumnReading | null {
  const expected = 'an ISO 8601 time, with offset, or without for UTC, to the microsecond, in the years 1684 to 2255';
  const microsSql = microsOf(column, columnType);
  return microsSql === null
    ? null
    : { expected, sql: `CASE WHEN abs(${microsSql}) <= ${Number.MAX_SAFE_INTEGER} THEN ${microsSql} END` };
}

function microsOf(column: string, columnType: string): string | null {
  switch (columnType) {
    case 'TIMESTAMP':
    case 'TIMESTAMP WITH TIME ZONE':
    case 'TIMESTAMP_S':
    case 'TIMESTAMP_MS':
    case 'DATE':
      return `epoch_us(${column})`;
    case 'TIMESTAMP_NS':
      return `(CASE WHEN epoch_ns(${column}) % 1000 = 0 THEN epoch_us(${column}) END)`;
    case 'VARCHAR':
      return `(CASE WHEN regexp_matches(${column}, '${TIME_TEXT}') THEN epoch_us(TRY_CAST(${column} AS TIMESTAMPTZ)) END)`;
    default:
      return null;
  }
}

/** Reads a column as a join key of `type`. Null: no value of this column type can be such a key. */
export function keyReading(
  type: ScalarType,
  column: string,
  columnType: string,
  bound: BoundValues,
): ColumnReading | null {
  const isText = columnType === 'VARCHAR';
  switch (type.kind) {
    case 'string':
      return isText || columnType.startsWith('ENUM(')
        ? { sql: `CAST(${column} AS VARCHAR)`, expected: 'a text' }
        : null;
    case 'enum': {
      if (!isText && !columnType.startsWith('ENUM(')) return null;
      const text = `CAST(${column} AS VARCHAR)`;
      const values = type.values.map((value) => bound.add(value)).join(', ');
      return { sql: `CASE WHEN ${text} IN (${values}) THEN ${text} END`, expected: `one of ${type.values.join(', ')}` };
    }
    case 'boolean':
      if (isText) {
        const sql = `CASE lower(${column}) WHEN 'true' THEN true WHEN 'false' THEN false END`;
        return { sql, expected: 'true or false' };
      }
      return columnType === 'BOOLEAN' ? { sql: column, expected: 'true or false' } : null;
    case 'int': {
      const number = integerOf(column, columnType);
      const sql = `CASE WHEN ${number} BETWEEN -${Number.MAX_SAFE_INTEGER} AND ${Number.MAX_SAFE_INTEGER} THEN ${number} END`;
      return number === null ? null : { sql, expected: 'a whole number, at most 2^53 - 1' };
    }
    case 'int64': {
      const number = integerOf(column, columnType);
      return number === null ? null : { sql: number, expected: 'a whole number of 64 bits' };
    }
    case 'decimal':
      return decimalReading(type.precision, type.scale, column, columnType);
    case 'double':
      return doubleReading(column, columnType);
    case 'timestamp':
      return timeReading(column, columnType);
    case 'date': {
      const expected = 'a date, YYYY-MM-DD';
      if (columnType === 'DATE')
        return { sql: `CASE WHEN isfinite(${column}) THEN strftime(${column}, '%Y-%m-%d') END`, expected };
      const matches = `regexp_matches(${column}, '^[0-9]{4}-[0-9]{2}-[0-9]{2}$') AND TRY_CAST(${column} AS DATE) IS NOT NULL`;
      return isText ? { sql: `CASE WHEN ${matches} THEN ${column} END`, expected } : null;
    }
  }
}

function integerOf(column: string, columnType: string): string | null {
  if (INTEGER_TYPES.test(columnType)) return `TRY_CAST(${column} AS BIGINT)`;
  if (columnType !== 'VARCHAR') return null;
  return `(CASE WHEN regexp_matches(${column}, '^-?(0|[1-9][0-9]*)$') THEN TRY_CAST(${column} AS BIGINT) END)`;
}

function decimalReading(precision: number, scale: number, column: string, columnType: string): ColumnReading | null {
  const cast = `TRY_CAST(${column} AS DECIMAL(${precision}, ${scale}))`;
  const expected = `a number of at most ${precision} digits, ${scale} of them after the point`;
  if (columnType === 'VARCHAR') {
    const digits = scale === 0 ? String.raw`^-?[0-9]+(\.0*)?$` : String.raw`^-?[0-9]+(\.[0-9]{0,${scale}}0*)?$`;
    return { sql: `CASE WHEN regexp_matches(${column}, '${digits}') THEN CAST(${cast} AS VARCHAR) END`, expected };
  }
  if (!columnType.startsWith('DECIMAL(') && !INTEGER_TYPES.test(columnType)) return null;
  return { sql: `CASE WHEN ${cast} = ${column} THEN CAST(${cast} AS VARCHAR) END`, expected };
}

function doubleReading(column: string, columnType: string): ColumnReading | null {
  const expected = 'a finite number';
  const finite = (sql: string): string => `CASE WHEN isfinite(${sql}) THEN ${sql} + 0.0::DOUBLE END`;
  if (columnType === 'DOUBLE' || INTEGER_TYPES.test(columnType))
    return { sql: finite(`CAST(${column} AS DOUBLE)`), expected };
  if (columnType !== 'VARCHAR') return null;
  const number = `(CASE WHEN regexp_matches(${column}, '${NUMBER_TEXT}') THEN TRY_CAST(${column} AS DOUBLE) END)`;
  return { sql: finite(number), expected };
}
