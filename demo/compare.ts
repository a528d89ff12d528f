import { type Cell, isCellError } from '../engine/values/cell.ts';
import { carriedJson } from '../engine/values/composite-text.ts';
import { isScalarType, type ResultType } from '../engine/values/result-type.ts';
import { openDuckDb, quoteName, quoteText } from '../engine/duckdb/duckdb.ts';

/** What the online store returned for one sampled flight: training-set column (`<view or role>__<feature>`) to cell. */
export interface ServedRow {
  readonly flightId: string;
  readonly cells: ReadonlyMap<string, ServedCell>;
}

export interface ServedCell {
  readonly type: ResultType;
  readonly cell: Cell;
}

export interface Comparison {
  readonly cellsCompared: number;
  readonly cellsDiffering: number;
  /** The first few differences, for a person. */
  readonly examples: readonly string[];
}

/** Compares, cell by cell and to the bit, the training set's rows with what was served for the same flights. */
export async function compareWithServed(
  trainingPath: string,
  spillDir: string,
  served: readonly ServedRow[],
): Promise<Comparison> {
  const duckdb = await openDuckDb({ memoryMb: 1024, tempDir: spillDir });
  try {
    const columns = [...(served[0]?.cells ?? [])];
    const list = columns.map(([column, { type }]) => selected(column, type)).join(', ');
    const rows = await duckdb.query<Record<string, unknown>>(
      `SELECT flight_id, ${list} FROM ${quoteText(trainingPath)}`,
    );
    const trained = new Map(rows.map((row) => [String(row['flight_id']), row]));
    const examples: string[] = [];
    let cellsCompared = 0;
    let cellsDiffering = 0;
    for (const { flightId, cells } of served) {
      const row = trained.get(flightId);
      for (const [column, { type, cell }] of cells) {
        cellsCompared += 1;
        if (row !== undefined && sameCell(type, cell, row[column])) continue;
        cellsDiffering += 1;
        if (examples.length < 10)
          examples.push(
            `${flightId} ${column}: served ${isCellError(cell) ? cell.code : String(cell)}, trained ${row === undefined ? 'no row' : String(row[column])}`,
          );
      }
    }
    return { cellsCompared, cellsDiffering, examples };
  } finally {
    await duckdb.close();
  }
}

/** Lists and maps as JSON: what is told apart is their elements. */
function selected(column: string, type: ResultType): string {
  const name = quoteName(column);
  return isScalarType(type) ? name : `CAST(to_json(${name}) AS VARCHAR) AS ${name}`;
}

/**
 * Equality of bits between a served cell and one of the Parquet file: its integers come as bigint, its doubles as number. The export had no errors, or
 * there would be no file: one that was served is a difference.
 */
function sameCell(type: ResultType, served: Cell, trained: unknown): boolean {
  if (!isScalarType(type) && typeof trained === 'string') return carriedJson(type)(JSON.parse(trained)) === served;
  if (typeof served === 'number' && typeof trained === 'bigint')
    return Number.isInteger(served) && BigInt(served) === trained;
  return Object.is(served, trained);
}
