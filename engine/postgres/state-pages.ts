import type { Queryable } from './queryable.ts';
import { stateTable } from './state-table.ts';

/** A row by its place in the table, and the beginning of its state. */
export interface StateHead {
  readonly place: string;
  readonly head: Uint8Array;
}

/** How many pages a state table has now. */
export async function statePages(on: Queryable, table: string): Promise<number> {
  const { rows } = await on.query<{ pages: string }>(
    `SELECT (pg_relation_size('${stateTable(table)}'::regclass) / current_setting('block_size')::bigint)::text AS pages`,
  );
  return Number(rows[0]?.pages);
}

/** Has what follows in the transaction find rows by their places: of a small table Postgres would rather read all, and compare each. */
export async function byPlaces(on: Queryable): Promise<void> {
  await on.query("SELECT set_config('enable_seqscan', 'off', true)");
}

/** The rows on the pages `[from, until)`: read as they lie, without an index, and of each state no more than `bytes`. */
export async function readHeads(
  on: Queryable,
  table: string,
  { from, until }: { readonly from: number; readonly until: number },
  bytes: number,
): Promise<StateHead[]> {
  const { rows } = await on.query<[string, Uint8Array]>({
    text: `SELECT ctid::text, substring(state FROM 1 FOR $3) FROM ${stateTable(table)} WHERE ctid >= $1::tid AND ctid < $2::tid`,
    values: [`(${from},0)`, `(${until},0)`, bytes],
    rowMode: 'array',
  });
  return rows.map(([place, head]) => ({ place, head }));
}

/** Deletes rows by their places, which stay theirs only where nobody writes in between: under the lock of the version's row. */
export async function deletePlaces(on: Queryable, table: string, places: readonly string[]): Promise<number> {
  if (places.length === 0) return 0;
  const { rowCount } = await on.query({
    text: `DELETE FROM ${stateTable(table)} WHERE ctid = ANY($1::tid[])`,
    values: [places],
  });
  return rowCount ?? 0;
}
