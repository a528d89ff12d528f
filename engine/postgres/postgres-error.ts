import { isMillraceError, MillraceError } from '../errors/millrace-error.ts';

const UNREACHABLE_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EPIPE',
  'ENOENT',
  '57P01', // the server is shutting down
  '57P02', // it crashed
  '57P03', // it is starting up
  '53300', // it has no connection left
]);
const UNREACHABLE_TEXT =
  /connection terminated|timeout exceeded when trying to connect|connection ended|not queryable|timeout expired/i;
const REFUSED_CODES = new Set(['28000', '28P01', '3D000', '42501']);
const UNDEFINED_TABLE = '42P01';
const CONFLICT_CODES = new Set(['40001', '40P01', '55P03']);

/** The SQLSTATE of an error of `pg`, or the code of a socket error; undefined for everything else. */
export function sqlState(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

function isUnreachable(error: Error, code: string | undefined): boolean {
  if (code !== undefined && (UNREACHABLE_CODES.has(code) || code.startsWith('08'))) return true;
  if (UNREACHABLE_TEXT.test(error.message)) return true;
  // A connection attempt over several addresses fails as one error of several.
  return (
    error instanceof AggregateError &&
    error.errors.some((one) => one instanceof Error && isUnreachable(one, sqlState(one)))
  );
}

/**
 * Gives faults of the connection and of concurrency their names: `service-unreachable`, `transaction-conflict`, `query-timeout`
 * (all retryable), `database-refused`, `database-not-prepared`. Anything else, MillraceErrors included, is returned as it is.
 *
 * @param address what to name in the message, e.g. `127.0.0.1:5432/millrace`
 */
export function namePostgresError(error: unknown, address: string): unknown {
  if (isMillraceError(error) || !(error instanceof Error)) return error;
  const code = sqlState(error);
  const reason = error.message === '' ? (code ?? error.name) : error.message;
  if (isUnreachable(error, code)) {
    return new MillraceError('service-unreachable', `Postgres at ${address} cannot be reached: ${reason}`, {
      remedy: 'Start it, or point DATABASE_URL at a running one.',
      retryable: true,
      httpStatus: 503,
      details: { service: 'postgres', address },
      cause: error,
    });
  }
  if (code !== undefined && REFUSED_CODES.has(code)) {
    return new MillraceError('database-refused', `Postgres at ${address} refused: ${reason}`, {
      remedy: 'Check user, password, database and privileges in DATABASE_URL.',
      httpStatus: 503,
      details: { service: 'postgres', address, sqlState: code },
      cause: error,
    });
  }
  if (code === UNDEFINED_TABLE && error.message.includes('millrace_catalog.')) {
    return new MillraceError(
      'database-not-prepared',
      `Postgres at ${address} is not prepared for Millrace: ${reason}`,
      {
        remedy:
          'Point "millrace dev" or a worker at it: they bring it up to date when they start. Or correct DATABASE_URL.',
        httpStatus: 503,
        details: { service: 'postgres', address },
        cause: error,
      },
    );
  }
  if (code !== undefined && CONFLICT_CODES.has(code)) {
    return new MillraceError('transaction-conflict', `Postgres at ${address} broke off a transaction: ${reason}`, {
      remedy: 'Try again.',
      retryable: true,
      httpStatus: 503,
      details: { sqlState: code },
      cause: error,
    });
  }
  if (code === '57014') {
    return new MillraceError('query-timeout', `Postgres at ${address} cancelled a statement: ${reason}`, {
      remedy: 'Try again; if it stays, look for locks or raise statementTimeoutMs.',
      retryable: true,
      httpStatus: 504,
      cause: error,
    });
  }
  return error;
}
