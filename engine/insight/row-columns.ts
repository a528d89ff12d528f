import type { DuckDb } from '../duckdb/duckdb.ts';
import { rawColumn } from '../duckdb/raw-column.ts';
import { LABELS_TABLE } from '../training/spine-labels.ts';

/** The rows that were read: `row_number` as everywhere, and `i`, their place from 0. */
export const ROWS_TABLE = 'insight_rows';

/** Values of rows, each at its row's place. */
export type RowValues =
  /** NaN where there is none. */
  | { readonly kind: 'number'; readonly values: Float64Array }
  /** -1 where there is none; `names` in the order of their bytes. */
  | { readonly kind: 'category'; readonly codes: Int32Array; readonly names: readonly string[] }
  /** Lists and maps: how many elements each has, NaN where there is none of them; and in how many rows an item or a key stands. */
  | { readonly kind: 'collection'; readonly sizes: Float64Array; readonly elements: ReadonlyMap<string, number> };

/** Numbers the labels' rows. To be called once, when the labels are sorted. */
export async function numberRows(duckdb: DuckDb, signal: AbortSignal): Promise<void> {
  await duckdb.run(
    `CREATE TABLE ${ROWS_TABLE} AS
     SELECT row_number() OVER (ORDER BY row_number) - 1 AS i, row_number FROM ${LABELS_TABLE}`,
    [],
    signal,
  );
}

/**
 * Numbers of a table that has `row_number`.
 *
 * @param expression SQL over it that gives a DOUBLE
 */
export async function numbersOf(
  duckdb: DuckDb,
  table: string,
  expression: string,
  rows: number,
  signal: AbortSignal,
): Promise<Float64Array> {
  const values = new Float64Array(rows).fill(Number.NaN);
  for await (const { places, raw } of columnChunks(duckdb, table, expression, 'DOUBLE', signal))
    for (let index = 0; index < raw.length; index++) {
      const value = raw[index];
      if (typeof value === 'number' && Number.isFinite(value)) values[places[index]!] = value;
    }
  return values;
}

/** Texts, as categories. `expression` gives a VARCHAR. */
export async function categoriesOf(
  duckdb: DuckDb,
  table: string,
  expression: string,
  rows: number,
  signal: AbortSignal,
): Promise<{ readonly codes: Int32Array; readonly names: readonly string[] }> {
  const seen = new Map<string, number>();
  const codes = new Int32Array(rows).fill(-1);
  for await (const { places, raw } of columnChunks(duckdb, table, expression, 'VARCHAR', signal))
    for (let index = 0; index < raw.length; index++) {
      const value = raw[index];
      if (typeof value !== 'string') continue;
      let code = seen.get(value);
      if (code === undefined) seen.set(value, (code = seen.size));
      codes[places[index]!] = code;
    }
  const found = [...seen.keys()];
  const names = found.toSorted(byBytes);
  const places = new Map(names.map((name, place) => [name, place]));
  const placeOf = Int32Array.from(found, (name) => places.get(name)!);
  return { codes: codes.map((code) => (code < 0 ? -1 : placeOf[code]!)), names };
}

/** Lists and maps. `column` has their canonical JSON texts. */
export async function collectionsOf(
  duckdb: DuckDb,
  table: string,
  column: string,
  rows: number,
  signal: AbortSignal,
): Promise<Extract<RowValues, { kind: 'collection' }>> {
  const sizes = new Float64Array(rows).fill(Number.NaN);
  const elements = new Map<string, number>();
  for await (const { places, raw } of columnChunks(duckdb, table, column, 'VARCHAR', signal))
    for (let index = 0; index < raw.length; index++) {
      const text = raw[index];
      if (typeof text !== 'string') continue;
      const parsed = JSON.parse(text) as object;
      const members = Array.isArray(parsed) ? parsed.map(elementText) : Object.keys(parsed);
      sizes[places[index]!] = members.length;
      // Keys are there once as it is.
      const distinct = members.length > 1 && Array.isArray(parsed) ? new Set(members) : members;
      for (const member of distinct) elements.set(member, (elements.get(member) ?? 0) + 1);
    }
  return { kind: 'collection', sizes, elements };
}

function elementText(item: unknown): string {
  return typeof item === 'string' ? item : JSON.stringify(item);
}

/** By the bytes of their UTF-8, as texts compare everywhere. */
export function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

async function* columnChunks(
  duckdb: DuckDb,
  table: string,
  expression: string,
  type: 'DOUBLE' | 'VARCHAR',
  signal: AbortSignal,
): AsyncGenerator<{ readonly places: readonly number[]; readonly raw: readonly unknown[] }> {
  const readPlace = rawColumn('DOUBLE');
  const readValue = rawColumn(type);
  const sql = `SELECT CAST(i AS DOUBLE), ${expression} FROM ${table} JOIN ${ROWS_TABLE} USING (row_number)`;
  for await (const chunk of duckdb.chunks(sql, [], signal)) {
    const places: number[] = [];
    const raw: unknown[] = [];
    readPlace(chunk, 0, places);
    readValue(chunk, 1, raw);
    yield { places, raw };
  }
}
