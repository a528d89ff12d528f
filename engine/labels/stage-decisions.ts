import { BOOLEAN, VARCHAR } from 'duckdb';
import type { DuckDb } from '../duckdb/duckdb.ts';
import type { LogRead } from './read-log.ts';
import { readLog } from './read-log.ts';
import { StagedLog } from './staged-log.ts';

/** Decisions, as they are joined. Every id is there, so that one that is there twice counts as it was first; rows are of what is wanted alone. */
export interface StagedDecisions {
  readonly heads: string;
  readonly rows: string;
}

const OWN = { sql: 'shadow_of VARCHAR, wanted BOOLEAN', types: [VARCHAR, BOOLEAN] };
/** Beyond so many, ids are told apart in DuckDB, and all decisions are staged. */
const IDS_IN_MEMORY = 500_000;

/** Stages the decisions of the time asked for, those that `where` keeps. */
export async function stageDecisions(read: LogRead): Promise<StagedDecisions> {
  const { labels, fromUs, untilUs, where = () => true } = read.options;
  const staged = await StagedLog.open(read.duckdb, 'decision', OWN);
  try {
    await readLog(read, ({ event, arrivedUs }, reasons) => {
      const { row, eventTimeUs, partition, offset } = event;
      const wanted = eventTimeUs >= fromUs && eventTimeUs < untilUs && where(row);
      const key = wanted ? labels.decisionKey(row, reasons) : null;
      // What it is joined by is not known: that nothing came of it cannot be said.
      if (reasons.length > 0) return;
      const head = { id: event.id!, key, timeUs: eventTimeUs, knownUs: arrivedUs, partition, offset };
      staged.add(head, [(row['shadow_of'] ?? null) as string | null, wanted], wanted ? row : null);
    });
  } finally {
    staged.close();
  }
  return staged;
}

/**
 * Stages the decisions that wanted shadows shadow and that are not wanted themselves, of whatever time: a second reading of the log, where there
 * are any.
 *
 * @param kept the wanted decisions, each id once
 */
export async function stageShadowed(read: LogRead, kept: string): Promise<StagedDecisions> {
  const { duckdb, options } = read;
  const missing = await missingIds(duckdb, kept);
  const staged = await StagedLog.open(duckdb, 'shadowed', OWN);
  try {
    if (missing === 'none') return staged;
    const quiet = { ...read, options: { ...options, onInvalid: undefined }, counts: { ...read.counts } };
    await readLog(quiet, ({ event, arrivedUs }, reasons) => {
      const { row, eventTimeUs, partition, offset } = event;
      const id = event.id!;
      if (missing !== 'many' && !missing.has(id)) return;
      const key = options.labels.decisionKey(row, reasons);
      if (reasons.length > 0) return;
      staged.add({ id, key, timeUs: eventTimeUs, knownUs: arrivedUs, partition, offset }, [null, true], row);
    });
  } finally {
    staged.close();
  }
  return staged;
}

async function missingIds(duckdb: DuckDb, kept: string): Promise<ReadonlySet<string> | 'none' | 'many'> {
  const from = `FROM (SELECT DISTINCT shadow_of AS id FROM ${kept} WHERE shadow_of IS NOT NULL) s ANTI JOIN ${kept} k USING (id)`;
  const [counted] = await duckdb.query<{ n: bigint }>(`SELECT count(*) AS n ${from}`);
  if (counted!.n === 0n) return 'none';
  if (counted!.n > IDS_IN_MEMORY) return 'many';
  const rows = await duckdb.query<{ id: string }>(`SELECT s.id ${from}`);
  return new Set(rows.map(({ id }) => id));
}
