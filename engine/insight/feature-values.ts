import type { DuckDb } from '../duckdb/duckdb.ts';
import type { ResultType } from '../values/result-type.ts';
import { categoriesOf, collectionsOf, numbersOf, type RowValues } from './row-columns.ts';

/** Reads what a staged column has of a type. Beyond 2^53 integers and decimals are the nearest double: enough to measure by. */
export async function readValues(
  duckdb: DuckDb,
  { table, column, type }: { readonly table: string; readonly column: string; readonly type: ResultType },
  rows: number,
  signal: AbortSignal,
): Promise<RowValues> {
  const numeric = numberSql(type, column);
  if (numeric !== null) return { kind: 'number', values: await numbersOf(duckdb, table, numeric, rows, signal) };
  if (type.kind === 'list' || type.kind === 'map') return collectionsOf(duckdb, table, column, rows, signal);
  const text = `CAST(${column} AS VARCHAR)`;
  return { kind: 'category', ...(await categoriesOf(duckdb, table, text, rows, signal)) };
}

function numberSql(type: ResultType, column: string): string | null {
  switch (type.kind) {
    case 'int':
    case 'int64':
    case 'decimal':
    case 'double':
    case 'timestamp':
      return `CAST(${column} AS DOUBLE)`;
    case 'date':
      return `CAST(epoch_us(CAST(${column} AS TIMESTAMP)) AS DOUBLE)`;
    case 'string':
    case 'enum':
    case 'boolean':
    case 'list':
    case 'map':
      return null;
  }
}
