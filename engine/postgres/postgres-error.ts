import { isMillraceError } from '../errors/millrace-error.ts';
import { type Fault, isNamed } from '../faults/fault.ts';
import { faultError, faultOf, symptomsOf } from '../faults/fault-table.ts';

/** The SQLSTATE of an error of `pg`, or the code of a socket error; undefined for everything else. */
export function sqlState(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** A connection attempt over several addresses fails as one error of several. */
function postgresFault(error: Error): Fault | null {
  // A file's error has the codes of a socket's, and its path.
  const isOfFile = 'path' in error && 'syscall' in error && error.syscall !== 'connect';
  const fault = faultOf(isOfFile ? [] : ['postgres', 'network'], symptomsOf(error));
  if (fault !== null || !(error instanceof AggregateError)) return fault;
  for (const one of error.errors) {
    const of = one instanceof Error ? postgresFault(one) : null;
    if (of !== null) return of;
  }
  return null;
}

/**
 * Gives the faults of Postgres, its pooler and the network their names, as `engine/faults` has them. What it has no name for (our own
 * statements' faults) and MillraceErrors are returned as they are.
 *
 * @param address what to name in the message, e.g. `127.0.0.1:5432/millrace`
 */
export function namePostgresError(error: unknown, address: string): unknown {
  if (isMillraceError(error) || !(error instanceof Error)) return error;
  const fault = postgresFault(error);
  if (fault === null || !isNamed(fault)) return error;
  const code = sqlState(error);
  const reason = error.message === '' ? (code ?? error.name) : error.message;
  return faultError(fault, {
    message: `Postgres at ${address} ${fault.says}: ${reason}`,
    variable: 'DATABASE_URL',
    details: { service: 'postgres', address, ...(code === undefined ? {} : { sqlState: code }) },
    cause: error,
  });
}
