import type pg from 'pg';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';
import { withTransaction } from '../postgres/transaction.ts';
import { lockSource } from './archive-claim.ts';

/**
 * Shuts every archiver of a source out whose generation is below `generation`: once this returns, none of them can add a file, however
 * long it was frozen, nor begin. Idempotent. A later run needs a generation of at least this one.
 * Throws MillraceError `service-unreachable` (retryable).
 *
 * @example
 * await fenceArchive({ pool, source: 'flights', generation: 8 });
 */
export async function fenceArchive(options: { pool: pg.Pool; source: string; generation: number }): Promise<void> {
  const { pool, source, generation } = options;
  await withTransaction(pool, async (client) => {
    await lockSource(client, source);
    await runSql(
      client,
      sqlText`UPDATE ${CATALOG}.archive_source SET generation = ${generation} WHERE source = ${source} AND generation < ${generation}`,
    );
    await runSql(
      client,
      sqlText`SELECT 1 FROM ${CATALOG}.archive_offset WHERE source = ${source} ORDER BY topic, partition FOR UPDATE`,
    );
    await runSql(
      client,
      sqlText`
      UPDATE ${CATALOG}.archive_offset SET generation = ${generation}, attempt_ms = 0, owner = NULL, updated_at = now()
      WHERE source = ${source} AND generation < ${generation}`,
    );
  });
}
