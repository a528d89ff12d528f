import { stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { DuckDBStructValue, type DuckDBValue } from 'duckdb';
import { isMillraceError, MillraceError } from '../errors/millrace-error.ts';
import { type DuckDb, quoteName } from '../duckdb/duckdb.ts';
import { CsvFault } from '../history/csv/csv-fault.ts';
import { csvSql } from '../history/csv/csv-sql.ts';
import { csvStructure, DEFAULT_DIALECT } from '../history/csv/csv-structure.ts';
import { readFooters } from '../history/parquet/footers.ts';
import { spineError } from './spine-faults.ts';

/** The DuckDB table a spine is loaded into: its columns, then `ROW_COLUMN`, the row number from 0. */
export const SPINE_TABLE = 'training_spine';
export const ROW_COLUMN = '__millrace_row';

/** A column as it stands in `SPINE_TABLE`, and as it goes to the output. */
export interface SpineColumn {
  readonly name: string;
  readonly type: string;
  /** SQL over `SPINE_TABLE`, unaliased; null: the column as it is. */
  readonly output: string | null;
}

export interface SpineFile {
  readonly path: string;
  readonly format: 'parquet' | 'csv' | 'json';
  readonly delimiter: string;
  readonly sizeBytes: number;
}

interface DescribedColumn {
  readonly column_name: string;
  readonly column_type: string;
}

const FORMATS: Readonly<Record<string, Pick<SpineFile, 'format' | 'delimiter'>>> = {
  '.parquet': { format: 'parquet', delimiter: '' },
  '.csv': { format: 'csv', delimiter: ',' },
  '.tsv': { format: 'csv', delimiter: '\t' },
  '.jsonl': { format: 'json', delimiter: '' },
  '.ndjson': { format: 'json', delimiter: '' },
  '.json': { format: 'json', delimiter: '' },
};

/** Looks at the file without reading it. Throws `spine-not-found`, `spine-format-unknown`, `empty-spine`. */
export async function findSpineFile(path: string): Promise<SpineFile> {
  const found = await stat(path).catch(() => null);
  if (found === null || !found.isFile()) {
    const what = found === null ? 'there is no such file' : 'expected a file, found a folder';
    throw new MillraceError('spine-not-found', `spine ${path}: ${what}`, {
      remedy: 'Give the path of the label file.',
      httpStatus: 404,
    });
  }
  const format = FORMATS[extname(path).toLowerCase()];
  if (format === undefined) {
    const known = Object.keys(FORMATS).join(', ');
    throw new MillraceError('spine-format-unknown', `spine ${path}: expected a file ending in ${known}`, {
      remedy: 'Convert the labels to one of these formats, or rename the file.',
    });
  }
  if (found.size === 0) throw emptySpine(path);
  return { path, ...format, sizeBytes: found.size };
}

/** The error for a spine without rows. */
export function emptySpine(path: string): MillraceError {
  return spineError(path, [
    {
      code: 'empty-spine',
      message: 'zero rows',
      remedy: 'Check the query that wrote the labels: a training set needs at least one row.',
    },
  ]);
}

/**
 * Loads the spine into `SPINE_TABLE`, in its order. `plainText` names the columns (join keys, label time) that a text format must
 * hand over as they are written. Throws `spine-unreadable`.
 */
export async function loadSpine(
  duckdb: DuckDb,
  file: SpineFile,
  plainText: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<SpineColumn[]> {
  try {
    // The file is known to exist: brackets keep DuckDB from reading its name as a pattern.
    const path = file.path.replaceAll(/[*?[]/g, '[$&]');
    if (file.format === 'parquet') {
      await load(duckdb, 'read_parquet($1)', [path], signal);
      const [footer] = await readFooters('spine', [file], duckdb, signal);
      refuseAlike(file.path, footer?.shape.columns.map(({ name }) => name) ?? []);
      return await describe(duckdb);
    }
    if (file.format === 'csv') {
      // Held to its dialect byte by byte, as a history is: nothing is guessed from a sample.
      const structure = await csvStructure(file.path, { ...DEFAULT_DIALECT, delimiter: file.delimiter }, signal);
      refuseAlike(file.path, structure.header);
      await load(duckdb, csvSql(file.path, structure, file, structure.header), [], signal);
      return await typedCsvColumns(duckdb, await describe(duckdb), plainText, signal);
    }
    await loadJson(duckdb, file, path, plainText, signal);
    return await describe(duckdb);
  } catch (cause) {
    signal.throwIfAborted();
    if (isMillraceError(cause)) throw cause;
    if (cause instanceof CsvFault) {
      throw new MillraceError(
        'spine-unreadable',
        `spine ${file.path}, line ${cause.line} cannot be read as csv: ${cause.message}`,
        {
          remedy: cause.remedy,
          cause,
        },
      );
    }
    // DuckDB adds the statement at fault, which is ours.
    const reason = (cause instanceof Error ? cause.message : String(cause)).split('\n\nLINE ')[0]!.trim();
    throw new MillraceError('spine-unreadable', `spine ${file.path} cannot be read as ${file.format}: ${reason}`, {
      remedy: 'Correct the file, or give it the extension of its format.',
      cause,
    });
  }
}

/** Names that differ only in case are one name to SQL: which column is meant could not be said of the training set. */
function refuseAlike(path: string, names: readonly string[]): void {
  const alike = [...Map.groupBy(names, (name) => name.toLowerCase()).values()].filter((group) => group.length > 1);
  if (alike.length === 0) return;
  const faults = alike.map((group) => ({
    code: 'spine-names-alike',
    message: `columns ${group.map((name) => `"${name}"`).join(' and ')} differ in case at most`,
    remedy: 'Rename or leave out all but one in the label file.',
  }));
  throw spineError(path, faults);
}

async function load(duckdb: DuckDb, from: string, values: DuckDBValue[], signal: AbortSignal): Promise<void> {
  await duckdb.run(
    `CREATE TABLE ${SPINE_TABLE} AS SELECT *, row_number() OVER () - 1 AS ${ROW_COLUMN} FROM ${from}`,
    values,
    signal,
  );
}

async function loadJson(
  duckdb: DuckDb,
  file: SpineFile,
  path: string,
  plainText: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<void> {
  const inferred = await duckdb.query<DescribedColumn>(
    `DESCRIBE SELECT * FROM read_json($1, format = 'auto', sample_size = -1, map_inference_threshold = -1)`,
    [path],
    signal,
  );
  const columns: Record<string, string> = {};
  for (const { column_name: name, column_type: type } of inferred)
    columns[name] = jsonColumnType(name, type, plainText);
  if (Object.keys(columns).join() === 'json') {
    const counted = await duckdb.query<{ n: bigint }>(
      `SELECT count(*) AS n FROM read_json_objects($1, format = 'auto')`,
      [path],
      signal,
    );
    if (counted[0]?.n === 0n) throw emptySpine(file.path);
  }
  await load(duckdb, `read_json($1, format = 'auto', columns = $2)`, [path, new DuckDBStructValue(columns)], signal);
}

/** Texts stay texts: a JSON string that looks like a date, a time or a UUID is still a string, and no number is rounded. */
function jsonColumnType(name: string, type: string, plainText: ReadonlySet<string>): string {
  if (plainText.has(name)) return 'VARCHAR';
  return /^(DATE|TIME|TIMESTAMP.*|UUID|U?HUGEINT|UBIGINT)$/.test(type) ? 'VARCHAR' : type;
}

async function describe(duckdb: DuckDb): Promise<SpineColumn[]> {
  const rows = await duckdb.query<DescribedColumn>(`DESCRIBE ${SPINE_TABLE}`);
  return rows
    .map(({ column_name: name, column_type: type }) => ({ name, type, output: null }))
    .filter((column) => column.name !== ROW_COLUMN);
}

/** Gives each column of a CSV the narrowest type that prints all its values as they were written; else it stays text. */
async function typedCsvColumns(
  duckdb: DuckDb,
  columns: readonly SpineColumn[],
  plainText: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<SpineColumn[]> {
  const tests = columns.map(({ name }) => {
    const c = quoteName(name);
    const isDecimal = `regexp_matches(${c}, '^-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?$') AND isfinite(TRY_CAST(${c} AS DOUBLE))`;
    return [
      `bool_and(coalesce(CAST(TRY_CAST(${c} AS BIGINT) AS VARCHAR) = ${c}, false)) FILTER (${c} IS NOT NULL)`,
      `bool_and(${isDecimal} AND length(regexp_replace(${c}, '[^0-9]', '', 'g')) <= 17) FILTER (${c} IS NOT NULL)`,
      `bool_and(${c} IN ('true', 'false', 'True', 'False', 'TRUE', 'FALSE')) FILTER (${c} IS NOT NULL)`,
    ];
  });
  const sql = `SELECT ${tests
    .flat()
    .map((test, index) => `${test} AS v${index}`)
    .join(', ')} FROM ${SPINE_TABLE}`;
  const verdict = Object.values((await duckdb.query<Record<string, boolean | null>>(sql, [], signal))[0] ?? {});
  return columns.map((column, index) => {
    if (plainText.has(column.name)) return column;
    const [isInteger, isNumber, isBoolean] = verdict.slice(index * 3, index * 3 + 3);
    const type = isInteger === true ? 'BIGINT' : isNumber === true ? 'DOUBLE' : isBoolean === true ? 'BOOLEAN' : null;
    return type === null ? column : { ...column, output: `CAST(${quoteName(column.name)} AS ${type})` };
  });
}
