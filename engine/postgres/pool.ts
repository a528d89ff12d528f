import pg from 'pg';
import { MillraceError } from '../errors/millrace-error.ts';
import { DEFAULT_INSTALLATION, type InstallationNames, installationNames } from '../installation/installation-names.ts';
import { connectionOf, databaseUrlFault } from './database-url.ts';
import { settleQueries } from './settled-queries.ts';
import { OptionalTlsClient } from './tls-mode.ts';
import { postgresTypes } from './type-parsers.ts';

export interface PoolOptions {
  /** Connections at most. Default 10. */
  readonly max?: number | undefined;
  /** Whose schemas the statements are about. Default: those of the installation `default`. */
  readonly installation?: InstallationNames | undefined;
  /** As `pg_stat_activity` shows it. Default `millrace`. */
  readonly applicationName?: string | undefined;
  /** A statement that runs longer is cancelled. Default 60 s; bulk loads lift it for themselves. */
  readonly statementTimeoutMs?: number | undefined;
  /**
   * Whether a pooler in transaction mode lies between (PgBouncer): statements have no names, and a session begins with nothing but its application's
   * name, since the next statement may run in another. For reads and single statements alone; limits of time are then the role's own. Default false.
   */
  readonly pooled?: boolean | undefined;
  /** Told of connections that broke while idle; the pool replaces them by itself. Default: ignored. */
  readonly onIdleError?: ((error: Error) => void) | undefined;
}

const POOLED = new WeakSet<pg.Pool>();

/** Whether a pooler in transaction mode lies between: a prepared statement may then be unknown where it is used. */
export function isPooled(pool: pg.Pool): boolean {
  return POOLED.has(pool);
}

/** What a session may not be told, its role must have. Bytes are read in either form, times with any offset; dates that are not ISO are not. */
async function refuseOtherDates(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<{ style: string }>("SELECT current_setting('DateStyle') AS style");
  const style = rows[0]?.style ?? 'unknown';
  if (style.startsWith('ISO')) return;
  throw new MillraceError('pooled-settings', `sessions behind the pooler have DateStyle "${style}", expected ISO`, {
    remedy: "Set it for the role: ALTER ROLE … SET DateStyle = 'ISO'.",
    httpStatus: 503,
  });
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
  const {
    connectionString,
    options: sessionOptions,
    isTlsOptional,
  } = connectionOf(databaseUrl, process.env['PGOPTIONS']);
  const pooled = options.pooled ?? false;
  const names = options.installation ?? installationNames();
  const application = options.applicationName ?? 'millrace';
  const pool = new pg.Pool({
    connectionString,
    ...(isTlsOptional ? { Client: OptionalTlsClient } : {}),
    max: options.max ?? 10,
    application_name: names.name === DEFAULT_INSTALLATION ? application : `${application}/${names.name}`,
    types: postgresTypes,
    connectionTimeoutMillis: 5_000,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
    ...(pooled
      ? {
          verify: (client, done) => {
            refuseOtherDates(client).then(() => done(), done);
          },
        }
      : {
          statement_timeout: options.statementTimeoutMs ?? 60_000,
          idle_in_transaction_session_timeout: 300_000,
          options: sessionOptions,
        }),
  });
  if (pooled) POOLED.add(pool);
  settleQueries(pool, names);
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
