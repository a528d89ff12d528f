import type pg from 'pg';
import { runSql } from '../postgres/run-sql.ts';
import { LOCKS } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';
import { withClient } from '../postgres/transaction.ts';

/** Does some work on one connection, which holds the installation's lock of that name meanwhile; null where another does it. */
export async function oneAtATime<T>(
  pool: pg.Pool,
  name: string,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T | null> {
  return withClient(pool, async (client) => {
    const { rows } = await runSql<{ mine: boolean }>(
      client,
      sqlText`SELECT pg_try_advisory_lock(hashtextextended('${LOCKS}.' || ${name}, 0)) AS mine`,
    );
    if (rows[0]?.mine !== true) return null;
    try {
      return await work(client);
    } finally {
      // The next one need not wait until the server notices that this connection is gone; where it is, so is the lock.
      await client.query('ROLLBACK').catch(() => undefined);
      await runSql(client, sqlText`SELECT pg_advisory_unlock(hashtextextended('${LOCKS}.' || ${name}, 0))`).catch(
        () => undefined,
      );
    }
  });
}
