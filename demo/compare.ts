import type { ScalarValue } from '../engine/values/field-type.ts';
import { openDuckDb, quoteName, quoteText } from '../engine/duckdb/duckdb.ts';

/** What the online store returned for one sampled flight: training-set column (`view__feature`) to value. */
export interface ServedRow {
  readonly flightId: string;
  readonly values: ReadonlyMap<string, ScalarValue>;
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
    const columns = [...(served[0]?.values.keys() ?? [])];
    const list = columns.map((column) => quoteName(column)).join(', ');
    const rows = await duckdb.query<Record<string, unknown>>(
      `SELECT flight_id, ${list} FROM ${quoteText(trainingPath)}`,
    );
    const trained = new Map(rows.map((row) => [String(row['flight_id']), row]));
    const examples: string[] = [];
    let cellsCompared = 0;
    let cellsDiffering = 0;
    for (const { flightId, values } of served) {
      const row = trained.get(flightId);
      for (const [column, value] of values) {
        cellsCompared += 1;
        if (row !== undefined && sameBits(value, row[column])) continue;
        cellsDiffering += 1;
        if (examples.length < 10)
          examples.push(
            `${flightId} ${column}: served ${String(value)}, trained ${row === undefined ? 'no row' : String(row[column])}`,
          );
      }
    }
    return { cellsCompared, cellsDiffering, examples };
  } finally {
    await duckdb.close();
  }
}

/** Equality of bits between a served value and a Parquet cell: Parquet's integers come as bigint, its doubles as number. */
function sameBits(served: ScalarValue, trained: unknown): boolean {
  if (typeof served === 'number' && typeof trained === 'bigint')
    return Number.isInteger(served) && BigInt(served) === trained;
  return Object.is(served, trained);
}
