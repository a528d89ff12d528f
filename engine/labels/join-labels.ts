import type { CompiledLabelSet } from '../define/compiled-label-set.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import type { LabelCounts } from './label-scan.ts';

/** Of an id that is there twice, what was known first; at once, what stands first in the log. */
const FIRST = 'ORDER BY known_us, time_us, partition, pos';

/** Makes a table of heads in which each id is there once, and counts the others. */
export async function onceEach(
  duckdb: DuckDb,
  heads: string,
  { columns, where }: { readonly columns: string; readonly where: string },
  counts: Pick<LabelCounts, 'duplicates'>,
  signal: AbortSignal | undefined,
): Promise<string> {
  const table = duckdb.newName('once');
  await duckdb.run(
    `CREATE TABLE ${table} AS SELECT n, id, key, time_us, known_us, partition, pos, ${columns}
     FROM (SELECT *, row_number() OVER (PARTITION BY id ${FIRST}) AS nth FROM ${heads}) WHERE nth = 1`,
    [],
    signal,
  );
  const [counted] = await duckdb.query<{ n: bigint }>(
    `SELECT (SELECT count(*) FROM ${heads}) - (SELECT count(*) FROM ${table}) AS n`,
  );
  counts.duplicates += Number(counted!.n);
  if (where !== '') await duckdb.run(`DELETE FROM ${table} WHERE NOT (${where})`, [], signal);
  return table;
}

/** What is to be labelled, and what with. */
export interface JoinedLabels {
  /** `number` from 0 in the order of (time, id), the decision, and of which one its label is. */
  readonly decisions: string;
  /** `number`, and an outcome of it. */
  readonly outcomes: string;
  readonly mature: number;
}

/** Both sides, each id once. */
export interface LabelSides {
  /** Wanted decisions. */
  readonly wanted: string;
  /** Those that are shadowed and not wanted. */
  readonly shadowed: string;
  readonly outcomes: string;
}

/**
 * Joins mature decisions with their outcomes. What is not known by then takes no part.
 *
 * @param asOfUs UTC epoch µs, or −Infinity: nothing is mature
 */
export async function joinLabels(
  duckdb: DuckDb,
  { isByDecision, matureAfterUs }: Pick<CompiledLabelSet, 'isByDecision' | 'matureAfterUs'>,
  { wanted, shadowed, outcomes }: LabelSides,
  asOfUs: number,
  signal: AbortSignal | undefined,
): Promise<JoinedLabels> {
  const decided = duckdb.newName('label_decisions');
  const heard = duckdb.newName('label_outcomes');
  // A decision's own time says when it is mature; a shadow's label is that of the decision it shadows.
  await duckdb.run(
    `CREATE TABLE ${decided} AS
     SELECT row_number() OVER (ORDER BY time_us, id) - 1 AS number, * FROM (
       SELECT d.n, d.id, d.time_us, coalesce(w.n, d.n) AS of_wanted, s.n AS of_shadowed,
         coalesce(w.time_us, s.time_us, d.time_us) AS of_time_us,
         CASE WHEN w.n IS NOT NULL THEN w.key WHEN s.n IS NOT NULL THEN s.key ELSE d.key END AS key
       FROM ${wanted} d LEFT JOIN ${wanted} w ON w.id = d.shadow_of LEFT JOIN ${shadowed} s ON s.id = d.shadow_of
     ) WHERE of_time_us + ${matureAfterUs} <= $1`,
    [Number.isFinite(asOfUs) ? BigInt(asOfUs) : -(2n ** 63n)],
    signal,
  );
  await duckdb.run(
    `CREATE TABLE ${heard} AS
     SELECT d.number, o.n, o.id, o.time_us, o.known_us, o.arrived_us, o.partition, o.pos
     FROM ${decided} d JOIN ${outcomes} o ON o.key = d.key ${isByDecision ? '' : 'AND o.time_us >= d.of_time_us'}`,
    [],
    signal,
  );
  const [counted] = await duckdb.query<{ n: bigint }>(`SELECT count(*) AS n FROM ${decided}`);
  return { decisions: decided, outcomes: heard, mature: Number(counted!.n) };
}
