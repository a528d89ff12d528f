import type { CompiledSource } from '../../define/compiled-view.ts';
import { isMillraceError, MillraceError } from '../../errors/millrace-error.ts';
import type { FieldSpec } from '../../values/field-type.ts';
import type { DuckDb } from '../../duckdb/duckdb.ts';
import { type ColumnValues, decoderOf, TEXT } from '../column-decoder.ts';
import { findColumns } from '../find-columns.ts';
import { readingFile } from '../history-files.ts';
import { columnSql, type ParquetColumn, type ParquetFooter, parquetList } from './footers.ts';

/** A field's values in the files of a shape. */
export interface Reading extends ColumnValues {
  /** SQL over a scan of those files alone. */
  readonly expression: string;
  /** The column is there and has no value in any of the files: it fits every type. */
  readonly isNull?: boolean | undefined;
}

const NO_VALUE: Reading = { ...TEXT, expression: 'NULL::VARCHAR', isNull: true };

/** Per field of the contract its reading, by position; null where the files have no column for it. */
export type ShapeReadings = readonly (Reading | null)[];

export interface FieldReadings {
  /** By the shape's key. */
  readonly byShape: ReadonlyMap<string, ShapeReadings>;
  /** Everything that keeps files from being read, each once per shape. */
  readonly faults: readonly MillraceError[];
}

/** Finds each field's column in the files of each shape, and holds its type against the contract. */
export async function fieldReadings(
  source: CompiledSource,
  footers: readonly ParquetFooter[],
  duckdb: DuckDb,
  signal?: AbortSignal,
): Promise<FieldReadings> {
  const byShape = new Map<string, ShapeReadings>();
  const faults: MillraceError[] = [];
  const fields = source.contract.fields.map((field) => ({
    ...field,
    optional: field.optional || source.history?.partitions?.includes(field.name) === true,
  }));
  for (const [key, files] of Map.groupBy(footers, ({ shape }) => shape.key)) {
    const { path, shape } = files[0] as ParquetFooter;
    const columns = await collecting(faults, async () => findColumns(source.name, path, fields, shape.columns));
    const readings: (Reading | null)[] = [];
    for (const field of fields) {
      const column = columns?.get(field.name);
      const read = async () =>
        column === undefined ? null : await readingOf(source, field, column, files, duckdb, signal);
      readings.push(await collecting(faults, read));
    }
    byShape.set(key, readings);
  }
  return { byShape, faults };
}

async function collecting<T>(faults: MillraceError[], find: () => Promise<T>): Promise<T | null> {
  try {
    return await find();
  } catch (error) {
    if (!isMillraceError(error)) throw error;
    faults.push(error);
    return null;
  }
}

async function readingOf(
  source: CompiledSource,
  field: FieldSpec,
  column: ParquetColumn,
  files: readonly ParquetFooter[],
  duckdb: DuckDb,
  signal: AbortSignal | undefined,
): Promise<Reading> {
  if (column.isNull) return NO_VALUE;
  const { path } = files[0] as ParquetFooter;
  const fault = faultOf(source, field, column, path);
  if (fault === null) return readingAs(column);
  const valued = await firstFileWithValues(source.name, column, files, duckdb, signal);
  if (valued === null) return NO_VALUE;
  throw valued === path ? fault : (faultOf(source, field, column, valued) ?? fault);
}

function readingAs(column: ParquetColumn): Reading {
  return { ...columnSql(column), judged: judgedAs(column), reading: 'typed' };
}

/** The type by which values are judged: with the names the contract has for times that DuckDB cuts, nested ones too. */
function judgedAs({ altered, type }: ParquetColumn): string {
  if (altered === 'int96') return type.replace(/\bTIMESTAMP(?! WITH TIME ZONE)(?=[[\],)]|$)/g, 'INT96');
  return altered === 'utc-nanoseconds' ? type.replaceAll('TIMESTAMP WITH TIME ZONE', 'TIMESTAMPTZ_NS_CUT') : type;
}

/** Why a column cannot be read as the field; null where it can. Of INT96 the contract knows itself what is gone. */
function faultOf(source: CompiledSource, field: FieldSpec, column: ParquetColumn, path: string): MillraceError | null {
  const { altered } = column;
  const mayTruncate = source.finerThanMicros === 'truncate' && altered === 'utc-nanoseconds';
  if (altered !== null && altered !== 'int96' && !mayTruncate) {
    return new MillraceError(
      'column-type-mismatch',
      `source "${source.name}": ${path}: column "${field.name}" ${alterations[altered](column)}`,
      {
        remedy:
          altered === 'utc-nanoseconds'
            ? "Say finerThanMicros: 'truncate' on the source to cut such digits off, or write the column as TIMESTAMP in microseconds (pandas: to_parquet(…, coerce_timestamps='us'))."
            : 'Write the column another way, e.g. a decimal of at most 38 digits, or members with names of their own.',
        details: { source: source.name, path, column: field.name },
      },
    );
  }
  try {
    decoderOf(source, field.name, readingAs(column));
    return null;
  } catch (error) {
    if (!isMillraceError(error)) throw error;
    return new MillraceError(error.code, `source "${source.name}": ${path}: ${error.message}`, {
      remedy: error.remedy,
      details: { ...error.details, source: source.name, path, column: field.name },
      cause: error,
    });
  }
}

const alterations = {
  'utc-nanoseconds': () =>
    'is a TIMESTAMP of nanoseconds in UTC, whose digits finer than a microsecond are cut off in reading',
  'wide-decimal': ({ physicalType }: ParquetColumn) => `is ${physicalType}; more than 38 are rounded in reading`,
  'member-names': () => 'has members whose names differ only in case, which are renamed in reading',
};

/** The first of files with a value in the column: one without any fits every field. */
async function firstFileWithValues(
  source: string,
  column: ParquetColumn,
  files: readonly ParquetFooter[],
  duckdb: DuckDb,
  signal: AbortSignal | undefined,
): Promise<string | null> {
  for (const { path } of files) {
    const { expression } = columnSql(column);
    const sql = `SELECT 1 FROM read_parquet(${parquetList([path])}, hive_partitioning = false) WHERE ${expression} IS NOT NULL LIMIT 1`;
    const found = await readingFile(source, path, () => duckdb.query(sql, [], signal));
    if (found.length > 0) return path;
  }
  return null;
}
