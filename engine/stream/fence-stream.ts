import type pg from 'pg';
import { CATALOG } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';
import { runSql } from '../postgres/run-sql.ts';
import { withTransaction } from '../postgres/transaction.ts';
import { lockForClaim } from './stream-lock.ts';

/**
 * Shuts every stream of a view version out whose generation is below `generation`: once this returns, none of them can commit, however
 * long it was frozen. Waits for a micro-batch that is being committed. Idempotent. A later run needs a generation of at least this one.
 * Throws MillraceError `service-unreachable` (retryable).
 *
 * @example
 * await fenceStream({ pool, view: 'route_delays', version: 3, generation: 8 });
 */
export async function fenceStream(options: {
  pool: pg.Pool;
  view: string;
  version: number;
  generation: number;
}): Promise<void> {
  const { pool, view, version, generation } = options;
  await withTransaction(pool, async (client) => {
    await lockForClaim(client, view, version);
    await runSql(
      client,
      sqlText`
      SELECT 1 FROM ${CATALOG}.stream_offset WHERE view = ${view} AND version = ${version} ORDER BY topic, partition FOR UPDATE`,
    );
    await runSql(
      client,
      sqlText`
      UPDATE ${CATALOG}.stream_offset SET generation = ${generation}, attempt_ms = 0, owner = NULL, updated_at = now()
      WHERE view = ${view} AND version = ${version} AND generation < ${generation}`,
    );
  });
}
