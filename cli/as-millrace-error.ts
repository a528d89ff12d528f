import { CommanderError } from 'commander';
import { nameTemporalError } from '../config/temporal-error.ts';
import { isMillraceError, MillraceError } from '../engine/errors/millrace-error.ts';
import { namePostgresError } from '../engine/postgres/postgres-error.ts';

/** Gives every error that reaches the user a code, a message and a remedy. */
export function asMillraceError(error: unknown): MillraceError {
  if (error instanceof CommanderError) return invalidUsage(error);
  const named = nameTemporalError(namePostgresError(error, 'DATABASE_URL'));
  if (isMillraceError(named)) return named;
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new MillraceError('unexpected-error', message, {
    remedy: 'Run it again with MILLRACE_LOG_LEVEL=debug for the whole error; if it stays, report it.',
    httpStatus: 500,
    cause: error,
  });
}

function invalidUsage({ message }: CommanderError): MillraceError {
  return new MillraceError('invalid-usage', message.replace(/^error: /, ''), {
    remedy: 'Add --help for what there is.',
  });
}
