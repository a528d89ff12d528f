import { sqlState } from './postgres-error.ts';
import type { Queryable } from './queryable.ts';
import { STATE } from './schemas.ts';
import { stateTable } from './state-table.ts';

/** How many entities a version has stored. */
export interface EntityCount {
  readonly entities: number;
  /** True of a large table, whose rows are not counted: Postgres keeps a count of them, which a crash of its or a vacuum may put off by some per cent. */
  readonly isEstimate: boolean;
}

/** Counted to here: some milliseconds. */
const COUNTED_MOST = 10_000;

const UNDEFINED_TABLE = '42P01';

/**
 * The entities that are stored now, those that the stream brought included; null where the table is gone: its version was flipped or retired.
 *
 * @param table as the version names it
 * @example
 * await countEntities(pool, 'route_delays_v1'); // { entities: 371, isEstimate: false }
 */
export async function countEntities(on: Queryable, table: string): Promise<EntityCount | null> {
  try {
    return await counted(on, table);
  } catch (error) {
    if (sqlState(error) === UNDEFINED_TABLE) return null;
    throw error;
  }
}

async function counted(on: Queryable, table: string): Promise<EntityCount> {
  const { rows } = await on.query<{ counted: number; estimate: string | null }>({
    // Of what Postgres keeps the larger is the newer: entities come, and seldom go. It loses the first in a crash, and has the second from before.
    text: `
      SELECT counted.n AS counted,
        CASE WHEN counted.n > $2 THEN greatest(pg_stat_get_live_tuples(c.oid), c.reltuples::bigint, counted.n)::text END AS estimate
      FROM (SELECT count(*)::int AS n FROM (SELECT FROM ${stateTable(table)} LIMIT $2 + 1) bounded) counted, pg_class c
      WHERE c.relname = $1 AND c.relnamespace = '${STATE.text}'::regnamespace`,
    values: [table, COUNTED_MOST],
  });
  const { counted: entities = 0, estimate = null } = rows[0] ?? {};
  return estimate === null ? { entities, isEstimate: false } : { entities: Number(estimate), isEstimate: true };
}
