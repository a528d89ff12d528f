import { isMillraceError, MillraceError } from '../engine/errors/millrace-error.ts';
import { isNamed } from '../engine/faults/fault.ts';
import { faultError, faultOf } from '../engine/faults/fault-table.ts';
import { grpcStatusName } from '../engine/faults/temporal-faults.ts';
import { namePostgresError } from '../engine/postgres/postgres-error.ts';
import { grpcFailure } from './grpc-error.ts';

/** Gives every error that reaches the user a code, a message and a remedy. */
export function asMillraceError(error: unknown): MillraceError {
  const named = namePostgresError(error, 'DATABASE_URL');
  if (isMillraceError(named)) return named;
  const refused = grpcFailure(error);
  if (refused !== null) {
    const fault = faultOf(['temporal'], { marks: [grpcStatusName(refused.code)], text: '' });
    if (fault !== null && isNamed(fault))
      return faultError(fault, {
        message: `Temporal ${fault.says}: ${refused.details || refused.message}`,
        variable: 'TEMPORAL_ADDRESS',
        cause: error,
      });
  }
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new MillraceError('unexpected-error', message, {
    remedy: 'Run it again with MILLRACE_LOG_LEVEL=debug for the whole error; if it stays, report it.',
    httpStatus: 500,
    cause: error,
  });
}
