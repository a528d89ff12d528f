import { isGrpcServiceError, ServiceError } from '@temporalio/client';

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
