import type { DuckDb } from '../duckdb/duckdb.ts';
import type { JoinedLabels } from './join-labels.ts';

/** Tables with their rows, in the order in which they are read: each has `number`, and `row` as its last column. */
export interface SortedLabels {
  /** number, id, time_us, of_time_us, row. */
  readonly decisions: string;
  /** number, row: of shadows alone, the decision that one shadows. */
  readonly shadowed: string;
  /** number, id, time_us, known_us, arrived_us, partition, pos, row. */
  readonly outcomes: string;
}

/** Where the rows lie that the heads are of. */
export interface StagedRows {
  readonly wanted: string;
  readonly shadowed: string;
  readonly outcomes: string;
}

/**
 * Puts rows to heads and both in order, one side after the other: two sorts at once would share the memory. Heads are what joins are built of, as small as they
 * are: rows on that side, 1 kB each, took minutes where this takes seconds. What is needed no more is dropped.
 */
export async function sortLabels(
  duckdb: DuckDb,
  { decisions, outcomes }: JoinedLabels,
  rows: StagedRows,
  signal: AbortSignal | undefined,
): Promise<SortedLabels> {
  const sorted = {
    decisions: duckdb.newName('sorted_decisions'),
    shadowed: duckdb.newName('sorted_shadowed'),
    outcomes: duckdb.newName('sorted_outcomes'),
  };
  const sort = async (table: string, select: string): Promise<void> => {
    await duckdb.alone(() => duckdb.run(`CREATE TABLE ${table} AS SELECT ${select} ORDER BY number`, [], signal));
  };
  await sort(
    sorted.decisions,
    `d.number, d.id, d.time_us, d.of_time_us, r.row FROM ${rows.wanted} r JOIN ${decisions} d ON d.n = r.n`,
  );
  await sort(
    sorted.shadowed,
    `number, row FROM (
       SELECT d.number, r.row FROM ${rows.wanted} r
         JOIN (SELECT number, of_wanted FROM ${decisions} WHERE of_wanted <> n AND of_shadowed IS NULL) d ON d.of_wanted = r.n
       UNION ALL SELECT d.number, r.row FROM ${rows.shadowed} r JOIN ${decisions} d ON d.of_shadowed = r.n
     )`,
  );
  await duckdb.run(`DROP TABLE ${rows.wanted}; DROP TABLE ${rows.shadowed}; DROP TABLE ${decisions}`);
  await sort(
    sorted.outcomes,
    `h.number, h.id, h.time_us, h.known_us, h.arrived_us, h.partition, h.pos, r.row FROM ${rows.outcomes} r JOIN ${outcomes} h ON h.n = r.n`,
  );
  await duckdb.run(`DROP TABLE ${rows.outcomes}; DROP TABLE ${outcomes}`);
  return sorted;
}
