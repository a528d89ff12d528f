import type { Fault } from './fault.ts';

/** By gRPC status. The words follow "Temporal at <address>". A worker's own polls are retried by Temporal's SDK; a running slice streams on meanwhile. */
export const TEMPORAL_FAULTS: readonly Fault[] = [
  {
    verdict: 'wait',
    code: 'temporal-unavailable',
    symptoms: ['CANCELLED', 'UNKNOWN', 'DEADLINE_EXCEEDED', 'RESOURCE_EXHAUSTED', 'ABORTED', 'INTERNAL', 'UNAVAILABLE'],
    says: 'does not answer',
    remedy: 'Start it, or correct TEMPORAL_ADDRESS; then try again.',
    httpStatus: 503,
  },
  {
    verdict: 'stop',
    code: 'temporal-refused',
    symptoms: [
      'INVALID_ARGUMENT',
      'NOT_FOUND',
      'ALREADY_EXISTS',
      'PERMISSION_DENIED',
      'FAILED_PRECONDITION',
      'OUT_OF_RANGE',
      'UNIMPLEMENTED',
      'DATA_LOSS',
      'UNAUTHENTICATED',
    ],
    says: 'answered',
    remedy: 'Check TEMPORAL_ADDRESS, the namespace and your rights in it.',
    httpStatus: 503,
  },
];

// biome-ignore format: in the order of the numbers, from 0
const NAMES = [
  'OK', 'CANCELLED', 'UNKNOWN', 'INVALID_ARGUMENT', 'DEADLINE_EXCEEDED', 'NOT_FOUND', 'ALREADY_EXISTS', 'PERMISSION_DENIED', 'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION', 'ABORTED', 'OUT_OF_RANGE', 'UNIMPLEMENTED', 'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS', 'UNAUTHENTICATED',
];

/** The name of a gRPC status, by its number. */
export function grpcStatusName(code: number): string {
  return NAMES[code] ?? 'UNKNOWN';
}
