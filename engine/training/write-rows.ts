import type { ServiceBlock } from '../define/compiled-view.ts';
import { type DuckDb, quoteName } from '../duckdb/duckdb.ts';
import type { PreparedSpine } from './prepare-spine.ts';
import { outputSql } from './scalar-sql.ts';
import { READ_TABLE, ROW_COLUMN, SPINE_TABLE } from './spine-columns.ts';

const ROW_GROUP_ROWS = 122_880;

/** Not all rows: those of `table` (with `row_number`) that `where` says, in SQL. */
export interface SomeRows {
  readonly table: string;
  readonly where: string;
}

/**
 * Writes the spine's rows in order with their features. The bytes depend on the rows alone: one thread, fixed row groups,
 * fixed compression, and nothing in the file that tells the time.
 */
export async function writeRows(
  duckdb: DuckDb,
  path: string,
  { output, isRead, features }: Pick<PreparedSpine, 'output' | 'isRead' | 'features'>,
  stagedTables: ReadonlyMap<ServiceBlock, string>,
  rowsOf: SomeRows | null,
  signal: AbortSignal,
): Promise<void> {
  const columns = output.map(({ name, sql }) => `${sql} AS ${quoteName(name)}`);
  const positions = new Map<ServiceBlock, number>();
  const wide: string[] = [];
  for (const { block, feature, column } of features) {
    const position = positions.get(block) ?? 0;
    positions.set(block, position + 1);
    wide.push(`${outputSql(feature.result, `${stagedTables.get(block)}.f${position}`)} AS ${quoteName(column)}`);
  }
  const row = `${SPINE_TABLE}.${ROW_COLUMN}`;
  const joined = [
    ...(isRead ? [READ_TABLE] : []),
    ...stagedTables.values(),
    ...(rowsOf === null ? [] : [rowsOf.table]),
  ];
  const where = rowsOf === null ? '' : `WHERE ${rowsOf.where}`;
  const joins = joined.map((table) => `JOIN ${table} ON ${table}.row_number = ${row}`);
  await duckdb.withOneThread(() =>
    duckdb.run(
      `COPY (
       SELECT ${[...columns, ...wide].join(', ')} FROM ${SPINE_TABLE} ${joins.join(' ')} ${where} ORDER BY ${row}
     ) TO $1 (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 3, ROW_GROUP_SIZE ${ROW_GROUP_ROWS})`,
      [path],
      signal,
    ),
  );
}
