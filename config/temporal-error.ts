import { isGrpcServiceError, ServiceError } from '@temporalio/client';
import { isNamed } from '../engine/faults/fault.ts';
import { faultError, faultOf } from '../engine/faults/fault-table.ts';
import { grpcStatusName } from '../engine/faults/temporal-faults.ts';

/** The gRPC status behind a failed call to Temporal. */
interface GrpcFailure {
  readonly code: number;
  readonly details: string;
  readonly message: string;
}

/** What Temporal answered, or that it did not: the SDK throws the error of the wire, or one of its own around it. Null for other errors. */
export function grpcFailure(error: unknown): GrpcFailure | null {
  const wire = error instanceof ServiceError ? error.cause : error;
  return isGrpcServiceError(wire) ? wire : null;
}

/** Gives the faults of Temporal their names, as `engine/faults` has them; other errors are returned as they are. */
export function nameTemporalError(error: unknown): unknown {
  const failure = grpcFailure(error);
  if (failure === null) return error;
  const fault = faultOf(['temporal'], { marks: [grpcStatusName(failure.code)], text: '' });
  if (fault === null || !isNamed(fault)) return error;
  return faultError(fault, {
    message: `Temporal ${fault.says}: ${failure.details || failure.message}`,
    variable: 'TEMPORAL_ADDRESS',
    cause: error,
  });
}
