import type { DuckDb } from '../duckdb/duckdb.ts';
import type { JoinedLabels } from './join-labels.ts';

/** Tables with their rows, in the order in which they are read. */
export interface SortedLabels {
  /** number, id, time_us, of_time_us, row, of_row (null: its own). */
  readonly decisions: string;
  /** number, id, time_us, known_us, arrived_us, partition, pos, row. */
  readonly outcomes: string;
}

/** Where the rows lie that the heads are of. */
export interface StagedRows {
  readonly wanted: string;
  readonly shadowed: string;
  readonly outcomes: string;
}

/** Puts rows to heads and both in order, one side after the other: two sorts at once would share the memory. What is needed no more is dropped. */
export async function sortLabels(
  duckdb: DuckDb,
  { decisions, outcomes }: JoinedLabels,
  rows: StagedRows,
  signal: AbortSignal | undefined,
): Promise<SortedLabels> {
  const sorted = { decisions: duckdb.newName('sorted_decisions'), outcomes: duckdb.newName('sorted_outcomes') };
  await duckdb.alone(() =>
    duckdb.run(
      `CREATE TABLE ${sorted.decisions} AS
       SELECT d.number, d.id, d.time_us, d.of_time_us, r.row, coalesce(s.row, w.row) AS of_row
       FROM ${decisions} d JOIN ${rows.wanted} r ON r.n = d.n
         LEFT JOIN ${rows.wanted} w ON w.n = d.of_wanted AND d.of_wanted <> d.n AND d.of_shadowed IS NULL
         LEFT JOIN ${rows.shadowed} s ON s.n = d.of_shadowed
       ORDER BY d.number`,
      [],
      signal,
    ),
  );
  await duckdb.run(`DROP TABLE ${rows.wanted}; DROP TABLE ${rows.shadowed}; DROP TABLE ${decisions}`);
  await duckdb.alone(() =>
    duckdb.run(
      `CREATE TABLE ${sorted.outcomes} AS
       SELECT h.number, h.id, h.time_us, h.known_us, h.arrived_us, h.partition, h.pos, r.row
       FROM ${outcomes} h JOIN ${rows.outcomes} r ON r.n = h.n ORDER BY h.number`,
      [],
      signal,
    ),
  );
  await duckdb.run(`DROP TABLE ${rows.outcomes}; DROP TABLE ${outcomes}`);
  return sorted;
}
