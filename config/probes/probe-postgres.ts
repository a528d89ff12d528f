import pg from 'pg';
import { connectionOf } from '../../engine/postgres/database-url.ts';
import { namePostgresError } from '../../engine/postgres/postgres-error.ts';
import { OptionalTlsClient } from '../../engine/postgres/tls-mode.ts';

/** One query on a connection of its own. Throws what went wrong, unnamed. */
export async function probePostgres(databaseUrl: string, timeoutMs: number): Promise<void> {
  const { connectionString, isTlsOptional } = connectionOf(databaseUrl, undefined);
  const client = new (isTlsOptional ? OptionalTlsClient : pg.Client)({
    connectionString,
    connectionTimeoutMillis: timeoutMs,
    query_timeout: timeoutMs,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('SELECT 1');
  } finally {
    // Not awaited: closing a connection that nobody answers would take as long as the check itself.
    client.end().catch(() => undefined);
  }
}

/** What such an error means. */
export function nameFailure(error: unknown, address: string): unknown {
  return namePostgresError(error, address);
}
