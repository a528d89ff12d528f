import { LOCKS } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';
import type { Queryable } from '../postgres/queryable.ts';
import { runSql } from '../postgres/run-sql.ts';

/*
 * Micro-batches of a version hold its lock together, claims and fences alone; Postgres queues for it in order. So a claim is not starved by the
 * batches of the run it replaces (row locks alone would let each next batch slip in before it), never deadlocks with one, and a fence
 * sees every partition row there is. The token in the rows, not this lock, is what keeps zombies out.
 */

const lockName = (view: string, version: number): string => `stream.${view}.${version}`;

/** Waits for the micro-batches under way, and holds later ones back until the transaction ends. */
export async function lockForClaim(client: Queryable, view: string, version: number): Promise<void> {
  await runSql(
    client,
    sqlText`SELECT pg_advisory_xact_lock(hashtextextended('${LOCKS}.' || ${lockName(view, version)}, 0))`,
  );
}

/** Begins a micro-batch. A writer that freezes in it holds the lock, and its rows, for 15 s at most. */
export async function lockForBatch(client: Queryable, view: string, version: number): Promise<void> {
  await runSql(
    client,
    sqlText`SELECT set_config('idle_in_transaction_session_timeout', '15s', true),
      pg_advisory_xact_lock_shared(hashtextextended('${LOCKS}.' || ${lockName(view, version)}, 0))`,
  );
}
