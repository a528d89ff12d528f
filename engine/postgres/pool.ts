import pg from 'pg';
import { MillraceError } from '../errors/millrace-error.ts';
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
 * A pool whose sessions are UTC with ISO dates, exact doubles and the parsers of `postgresTypes`. Connects lazily: the first query
 * fails within 5 s where nothing answers. Throws MillraceError `invalid-database-url`.
 *
 * @example
 * const pool = createPool(process.env.DATABASE_URL, { max: 4, applicationName: 'millrace-stream' });
 */
export function createPool(databaseUrl: string, options: PoolOptions = {}): pg.Pool {
  if (!/^postgres(ql)?:\/\//.test(databaseUrl) || !URL.canParse(databaseUrl)) {
    throw new MillraceError(
      'invalid-database-url',
      'DATABASE_URL is not of the form postgres://user@host:port/database',
      {
        remedy: 'Set DATABASE_URL, e.g. postgres://postgres@127.0.0.1:5432/millrace.',
        httpStatus: 500,
      },
    );
  }
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    max: options.max ?? 10,
    application_name: options.applicationName ?? 'millrace',
    types: postgresTypes,
    connectionTimeoutMillis: 5_000,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
    statement_timeout: options.statementTimeoutMs ?? 60_000,
    idle_in_transaction_session_timeout: 300_000,
    options: '-c TimeZone=UTC -c DateStyle=ISO -c extra_float_digits=1 -c client_min_messages=warning',
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
