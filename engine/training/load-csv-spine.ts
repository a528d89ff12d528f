import type { DuckDb } from '../duckdb/duckdb.ts';
import { csvSql } from '../history/csv/csv-sql.ts';
import { csvStructure, DEFAULT_DIALECT } from '../history/csv/csv-structure.ts';
import { checkNames, ROW_COLUMN, SPINE_TABLE, type SpineColumn } from './spine-columns.ts';
import { type SpineFile, unreadableSpine } from './spine-file.ts';

/**
 * Loads a CSV spine, held to its dialect byte by byte as a history is: nothing is guessed from a sample. Each column gets the first type that
 * prints all its values as they are written; else it stays text. Throws CsvFault, and as `loadSpine`.
 */
export async function loadCsvSpine(duckdb: DuckDb, file: SpineFile, signal: AbortSignal): Promise<SpineColumn[]> {
  const structure = await csvStructure(file.path, { ...DEFAULT_DIALECT, delimiter: file.delimiter }, signal);
  const { header, rows } = structure;
  checkNames(file.path, header);
  const names = header.map((_, index) => `c${index}`);
  await duckdb.run(
    `CREATE TABLE ${SPINE_TABLE} AS SELECT *, row_number() OVER () - 1 AS ${ROW_COLUMN} FROM ${csvSql(file.path, structure, file, names)}`,
    [],
    signal,
  );
  const types = await writtenTypes(duckdb, names, signal);
  if (types.rows !== rows) {
    throw unreadableSpine(file, `it has ${rows} rows, of which ${types.rows} are read`, {
      remedy: 'Write the file as Parquet or JSONL, and report this.',
    });
  }
  return header.map((name, index): SpineColumn => {
    const [sql, type] = [`c${index}`, types.types[index] ?? null];
    return {
      name,
      type: type ?? 'VARCHAR',
      output: type === null ? sql : `CAST(${sql} AS ${type})`,
      raw: { door: 'text', expression: sql, type: 'VARCHAR' },
    };
  });
}

/** As JavaScript, Python, R and DuckDB print doubles: no zeros at the end but in `.0`, and a sign in the exponent. */
const DOUBLE_TEXT = String.raw`^-?(0|[1-9][0-9]*)(\.0|\.[0-9]*[1-9])?([eE][+-][0-9]+)?$`;
const FIXED_TEXT = String.raw`^-?(0|[1-9][0-9]*)\.[0-9]+$`;
const BOOLEAN_TEXTS = `('true', 'false', 'True', 'False', 'TRUE', 'FALSE')`;

/** SQL: the significant digits of a number. */
function digits(text: string): string {
  return `trim(regexp_replace(regexp_replace(${text}, '[eE].*$', ''), '[^0-9]', '', 'g'), '0')`;
}

/** Per column the type all of whose values print as they are written; null: none but text. */
async function writtenTypes(
  duckdb: DuckDb,
  columns: readonly string[],
  signal: AbortSignal,
): Promise<{ rows: number; types: (string | null)[] }> {
  const tests = columns.flatMap((c) => {
    const all = (test: string): string => `bool_and(coalesce(${test}, false)) FILTER (${c} IS NOT NULL)`;
    const double = `TRY_CAST(${c} AS DOUBLE)`;
    const fixed = `regexp_matches(${c}, '${FIXED_TEXT}') AND NOT regexp_matches(${c}, '^-[0.]*$')`;
    return [
      all(`CAST(TRY_CAST(${c} AS BIGINT) AS VARCHAR) = ${c}`),
      // The same digits as the double's own, which prints the fewest that mean it: the same value, by its size. Of 15 digits all are.
      all(
        `CASE WHEN NOT regexp_matches(${c}, '${DOUBLE_TEXT}') THEN false
         WHEN length(${c}) <= 15 AND NOT contains(lower(${c}), 'e') THEN true
         ELSE isfinite(${double}) AND ${digits(c)} = ${digits(`CAST(${double} AS VARCHAR)`)} END`,
      ),
      all(fixed),
      `min(length(${c}) - strpos(${c}, '.'))`,
      `max(length(${c}) - strpos(${c}, '.'))`,
      `max(strpos(${c}, '.'))`,
      all(`${c} IN ${BOOLEAN_TEXTS}`),
    ];
  });
  const width = 7;
  const sql = `SELECT count(*) AS n, ${tests.map((test, index) => `${test} AS v${index}`).join(', ')} FROM ${SPINE_TABLE}`;
  const [found] = await duckdb.query<Record<string, boolean | bigint | null>>(sql, [], signal);
  const [n, ...verdicts] = Object.values(found ?? {});
  const types = columns.map((_, index) => {
    const [isInteger, isDouble, isFixed, least, scale, point, isBoolean] = verdicts.slice(
      index * width,
      (index + 1) * width,
    );
    if (isInteger === true) return 'BIGINT';
    if (isDouble === true) return 'DOUBLE';
    // A sign may stand among the digits before the point: one more than needed does no harm.
    const precision = Number(point) - 1 + Number(scale);
    if (isFixed === true && least === scale && precision <= 38) return `DECIMAL(${precision}, ${scale})`;
    return isBoolean === true ? 'BOOLEAN' : null;
  });
  return { rows: Number(n), types };
}
