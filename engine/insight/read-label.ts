import { type ColumnType, parseColumnType } from '../values/column-type.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import { SPINE_TABLE, type SpineColumn } from '../training/spine-columns.ts';
import { missingColumn, spineError } from '../training/spine-faults.ts';
import { type Label, numberLabel, textLabel, unusableLabel } from './label-kind.ts';
import { categoriesOf, numbersOf, ROWS_TABLE } from './row-columns.ts';

/** What a column is for, in messages. */
const LABEL_PURPOSE = 'the label';

/**
 * The column of a spine by its name. Throws MillraceError `spine-column-missing`.
 *
 * @param path of the spine
 */
export function labelColumn(path: string, columns: readonly SpineColumn[], name: string): SpineColumn {
  const column = columns.find((candidate) => candidate.name === name);
  const names = columns.map((candidate) => candidate.name);
  if (column === undefined) throw spineError(path, [missingColumn(name, LABEL_PURPOSE, names)]);
  return column;
}

/**
 * The labels of the rows, as what they are by the column's type and values: numbers and times are numbers, texts that are all numbers too.
 *
 * @throws MillraceError `label-constant`, `label-unusable`
 */
export async function readLabel(
  duckdb: DuckDb,
  { name, output }: SpineColumn,
  rows: number,
  signal: AbortSignal,
): Promise<Label> {
  const [found] = await duckdb.query<{ type: string }>(`SELECT typeof(${output}) AS type FROM ${SPINE_TABLE} LIMIT 1`);
  const type = found === undefined ? 'VARCHAR' : found.type;
  // A NULL alone has a type that nothing is of.
  const form = type === '"NULL"' ? parseColumnType('VARCHAR') : parseColumnType(type);
  const numeric = numberSql(form, output);
  if (numeric !== null) {
    await refuseInfinite(duckdb, { name, output, numeric }, signal);
    return numberLabel(name, await numbersOf(duckdb, SPINE_TABLE, numeric, rows, signal));
  }
  if (form.kind === 'text' || form.kind === 'boolean' || form.kind === 'json') {
    const text = `NULLIF(CAST(${output} AS VARCHAR), '')`;
    if (form.kind === 'text' && (await areNumbers(duckdb, text, signal)))
      return numberLabel(name, await numbersOf(duckdb, SPINE_TABLE, `CAST(${text} AS DOUBLE)`, rows, signal));
    const { codes, names } = await categoriesOf(duckdb, SPINE_TABLE, text, rows, signal);
    return textLabel(name, codes, names);
  }
  throw unusableLabel(
    name,
    `is ${type}: expected numbers, texts, times, or yes and no`,
    'Name another column, or write what is to be predicted as one value.',
  );
}

/** NaN stands for no label, as programs write it; an infinite number or time does not, and is no number to measure by. */
async function refuseInfinite(
  duckdb: DuckDb,
  { name, output, numeric }: { readonly name: string; readonly output: string; readonly numeric: string },
  signal: AbortSignal,
): Promise<void> {
  const [counted] = await duckdb.query<{ n: bigint }>(
    `SELECT count(*) AS n FROM ${SPINE_TABLE} JOIN ${ROWS_TABLE} USING (row_number)
     WHERE ${output} IS NOT NULL AND coalesce(isinf(${numeric}), true)`,
    [],
    signal,
  );
  if (counted === undefined || counted.n === 0n) return;
  throw unusableLabel(
    name,
    `is infinite in ${counted.n.toLocaleString('en-US')} rows: expected finite numbers and times`,
    'Write null where there is no label, or leave these rows out.',
  );
}

/** SQL for numbers and times; null for the rest. Times are epoch µs. */
function numberSql(form: ColumnType, sql: string): string | null {
  switch (form.kind) {
    case 'integer':
    case 'double':
    case 'float':
    case 'decimal':
      return `CAST(${sql} AS DOUBLE)`;
    case 'date':
    case 'timestamp':
    case 'timestamp-ns':
      return 'zone' in form && form.zone
        ? `CAST(epoch_us(${sql}) AS DOUBLE)`
        : `CAST(epoch_us(CAST(${sql} AS TIMESTAMP)) AS DOUBLE)`;
    default:
      return null;
  }
}

async function areNumbers(duckdb: DuckDb, text: string, signal: AbortSignal): Promise<boolean> {
  const [counted] = await duckdb.query<{ texts: bigint; others: bigint }>(
    `SELECT count(${text}) AS texts, count(${text}) FILTER (coalesce(NOT isfinite(TRY_CAST(${text} AS DOUBLE)), true)) AS others
     FROM ${SPINE_TABLE} JOIN ${ROWS_TABLE} USING (row_number)`,
    [],
    signal,
  );
  return counted !== undefined && counted.texts > 0n && counted.others === 0n;
}
