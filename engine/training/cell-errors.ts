import { blockText, roleAt } from '../define/service-blocks.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import type { ErrorCode } from '../values/cell.ts';
import { errorsTable } from './feature-staging.ts';
import type { BlockReading } from './reading.ts';
import { ROW_COLUMN, SPINE_TABLE, type SpineColumn } from './spine-columns.ts';

/** How often one error stands in place of a feature's value. */
export interface CountedError {
  /** Index into the view's features. */
  readonly feature: number;
  readonly code: ErrorCode;
  readonly rows: number;
  /** The first of them, from 0. */
  readonly firstRow: number;
}

/** The errors among what was read of one block, by feature and code. */
export async function countErrors(duckdb: DuckDb, table: string, signal: AbortSignal): Promise<CountedError[]> {
  const rows = await duckdb.query<{ feature: number; code: ErrorCode; n: bigint; first: bigint }>(
    `SELECT feature, code, count(*) AS n, min(row_number) AS first FROM ${errorsTable(table)} GROUP BY feature, code ORDER BY feature, code`,
    [],
    signal,
  );
  return rows.map(({ feature, code, n, first }) => ({ feature, code, rows: Number(n), firstRow: Number(first) }));
}

/**
 * Refuses a training set in which errors would stand as nulls: a null is what was not there, an error is what could not be said. The error's code
 * is that of the first of them.
 *
 * @param columns Of the spine: a row is told by the join keys that are among them.
 */
export async function refuseErrors(
  duckdb: DuckDb,
  columns: readonly SpineColumn[],
  blocks: readonly { readonly reading: BlockReading; readonly errors: readonly CountedError[] }[],
): Promise<void> {
  const lines: string[] = [];
  const told: { view: string; role?: string; feature: string; code: ErrorCode; rows: number; firstRow: number }[] = [];
  for (const { reading, errors } of blocks) {
    const { block } = reading;
    const { name: view, layout } = block.view;
    for (const { feature: index, code, rows, firstRow } of errors) {
      const feature = layout.features[index]!.name;
      const keys = columns.filter((column) => block.columns.includes(column.name));
      const entity = await entityOfRow(duckdb, keys, firstRow);
      const where = `spine row ${firstRow + 1}${entity === '' ? '' : ` (${entity})`}`;
      const more = rows > 1 ? ` and ${rows - 1} more` : '';
      lines.push(`feature "${feature}" of ${blockText(block)}: ${code} in ${where}${more}`);
      told.push({ view, ...roleAt(block), feature, code, rows, firstRow: firstRow + 1 });
    }
  }
  const [first] = told;
  if (first === undefined) return;
  throw new MillraceError(first.code, `some cells have an error in place of a value: ${lines.join('; ')}`, {
    remedy:
      'Leave out these rows or features; for sums, shorten the window, or aggregate a smaller unit or a wider type. Or take the errors as null, counted in the manifest: onError "null" (CLI: --on-error null). Nothing was written.',
    httpStatus: 422,
    details: { errors: told },
  });
}

async function entityOfRow(duckdb: DuckDb, keys: readonly SpineColumn[], row: number): Promise<string> {
  if (keys.length === 0) return '';
  const texts = keys.map(({ output }, index) => `CAST(${output} AS VARCHAR) AS k${index}`);
  const [found] = await duckdb.query<Record<string, string | null>>(
    `SELECT ${texts.join(', ')} FROM ${SPINE_TABLE} WHERE ${ROW_COLUMN} = ${row}`,
  );
  return keys.map(({ name }, index) => `${name}=${found?.[`k${index}`]}`).join(' ');
}
