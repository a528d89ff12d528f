import type pg from 'pg';
import { LOCKS } from '../postgres/schemas.ts';

/** The lock of whoever changes the buckets of a source, as SQL. */
function lockKey(source: string): { readonly name: string; readonly values: readonly string[] } {
  return { name: `hashtextextended('${LOCKS.text} ' || $1, 0)`, values: [`monitors ${source}`] };
}

/** Takes the lock until the end of the transaction; false: another has it. */
export async function hasLock(client: pg.PoolClient, source: string): Promise<boolean> {
  return got(client, source, 'pg_try_advisory_xact_lock');
}

/** Takes the lock of a connection, until `unlock`; false: another has it. */
export async function tryLock(client: pg.PoolClient, source: string): Promise<boolean> {
  return got(client, source, 'pg_try_advisory_lock');
}

/** Gives up the lock of a connection. */
export async function unlock(client: pg.PoolClient, source: string): Promise<void> {
  await got(client, source, 'pg_advisory_unlock');
}

async function got(client: pg.PoolClient, source: string, by: string): Promise<boolean> {
  const { name, values } = lockKey(source);
  const { rows } = await client.query<{ got: boolean }>({ text: `SELECT ${by}(${name}) AS got`, values: [...values] });
  return rows[0]!.got;
}
