import pg from 'pg';
import { MillraceError } from '../errors/millrace-error.ts';
import { connectionOf, databaseUrlFault } from './database-url.ts';
import { postgresTypes } from './type-parsers.ts';

export interface PoolOptions {
  /** Connections at most. Default 10. */
  readonly max?: number | undefined;
  /** As `pg_stat_activity` shows it. Default `millrace`. */
  readonly applicationName?: string | undefined;
  /** A statement that runs longer is cancelled. Default 60 s; bulk loads lift it for themselves. */
  readonly statementTimeoutMs?: number | undefined;
  /** Told of connections that broke while idle; the pool replaces them by itself. Default: ignored. */
  readonly onIdleError?: ((error: Error) => void) | undefined;
}

/**
 * A pool whose sessions are UTC with ISO dates, exact doubles and the parsers of `postgresTypes`, whatever role, database and URL set. Connects lazily: the first query
 * fails within 5 s where nothing answers. Throws MillraceError `invalid-database-url`.
 *
 * @example
 * const pool = createPool(process.env.DATABASE_URL, { max: 4, applicationName: 'millrace-stream' });
 */
export function createPool(databaseUrl: string, options: PoolOptions = {}): pg.Pool {
  const fault = databaseUrlFault(databaseUrl);
  if (fault !== null)
    throw new MillraceError('invalid-database-url', `DATABASE_URL: expected ${fault.expected}`, {
      remedy: fault.remedy,
      httpStatus: 500,
    });
  const { connectionString, options: sessionOptions } = connectionOf(databaseUrl, process.env['PGOPTIONS']);
  const pool = new pg.Pool({
    connectionString,
    max: options.max ?? 10,
    application_name: options.applicationName ?? 'millrace',
    types: postgresTypes,
    connectionTimeoutMillis: 5_000,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
    statement_timeout: options.statementTimeoutMs ?? 60_000,
    idle_in_transaction_session_timeout: 300_000,
    options: sessionOptions,
  });
  // Without a listener an idle connection that breaks would end the process.
  pool.on('error', options.onIdleError ?? (() => {}));
  return pool;
}

/** `host:port/database` of a pool, for messages; never the password. */
export function poolAddress(pool: pg.Pool): string {
  const { connectionString, host, port, database } = pool.options;
  if (connectionString !== undefined && URL.canParse(connectionString)) {
    const url = new URL(connectionString);
    return `${url.hostname}:${url.port === '' ? 5432 : url.port}${url.pathname}`;
  }
  return `${host ?? 'localhost'}:${port ?? 5432}/${database ?? ''}`;
}
