import type pg from 'pg';
import { MillraceError } from '../errors/millrace-error.ts';
import { namePostgresError } from './postgres-error.ts';
import { poolAddress } from './pool.ts';

/**
 * Runs `fn` on one connection and gives it back; a connection whose use failed is closed rather than reused.
 * Faults of connection and concurrency are named as by `namePostgresError`.
 */
export async function withClient<T>(pool: pg.Pool, fn: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  let client: pg.PoolClient;
  try {
    client = await pool.connect();
  } catch (error) {
    throw namePostgresError(error, poolAddress(pool));
  }
  // A connection may break between two queries: it must neither end the process nor pass unnoticed.
  let broken: Error | undefined;
  const onError = (error: Error): void => {
    broken = error;
  };
  client.on('error', onError);
  try {
    const result = await fn(client);
    client.removeListener('error', onError);
    client.release(broken);
    return result;
  } catch (error) {
    client.removeListener('error', onError);
    client.release(true);
    throw namePostgresError(error, poolAddress(pool));
  }
}

/**
 * Runs `fn` in one transaction: commits when it returns, rolls back when it throws. When the connection is lost during the commit
 * its outcome is unknown, and the error (`service-unreachable`, retryable) is the same as before it: callers recheck what they wrote.
 *
 * @example
 * await withTransaction(pool, async (client) => { await client.query(sqlText`…`); });
 */
export function withTransaction<T>(
  pool: pg.Pool,
  fn: (client: pg.PoolClient) => Promise<T>,
  options: { readonly isolation?: 'read committed' | 'repeatable read' } = {},
): Promise<T> {
  const begin = options.isolation === 'repeatable read' ? 'BEGIN ISOLATION LEVEL REPEATABLE READ' : 'BEGIN';
  return withClient(pool, async (client) => {
    await client.query(begin);
    let result: T;
    try {
      result = await fn(client);
    } catch (error) {
      try {
        await client.query('ROLLBACK');
      } catch {
        // The connection is gone, and the transaction with it; the first error tells why.
      }
      throw error;
    }
    const { command } = await client.query('COMMIT');
    if (command !== 'COMMIT') {
      throw new MillraceError(
        'transaction-rolled-back',
        'a transaction was rolled back at its commit: a statement in it had failed',
        {
          remedy: 'Look for the first failed statement in the server log.',
          retryable: true,
          httpStatus: 500,
        },
      );
    }
    return result;
  });
}
