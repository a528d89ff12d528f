import { bounded } from './bounded.ts';
import { ActivityFailure, ApplicationFailure, TimeoutFailure } from '@temporalio/workflow';
import type { MillraceErrorCode } from '../engine/errors/error-codes.ts';

/** What failed, and the way out. */
export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
  readonly during: string;
  readonly atMs: number;
}

/** A failure that ends the workflow at once, in the shape activities use: type = code, details = remedy. */
export function failure(code: MillraceErrorCode, message: string, remedy: string): ApplicationFailure {
  return ApplicationFailure.create({
    message: bounded(message),
    type: code,
    nonRetryable: true,
    details: [{ remedy: bounded(remedy) }],
  });
}

/** Reads code, message and remedy out of what an activity ended with. */
export function failureOf(error: unknown, during: string, atMs: number): Failure {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (cause instanceof ApplicationFailure) {
    const [first] = cause.details ?? [];
    const remedy =
      typeof first === 'object' && first !== null && 'remedy' in first && typeof first.remedy === 'string'
        ? first.remedy
        : 'Read the worker\'s log, then send "retry".';
    return { code: cause.type ?? 'unexpected-error', message: bounded(cause.message), remedy, during, atMs };
  }
  if (cause instanceof TimeoutFailure) {
    return {
      code: 'activity-timeout',
      message: `${during}: ${cause.message} (${cause.timeoutType})`,
      remedy: 'See whether a worker is running and has the resources it needs, then send "retry".',
      during,
      atMs,
    };
  }
  const message = bounded(error instanceof Error ? error.message : String(error));
  return { code: 'unexpected-error', message, remedy: 'Read the worker\'s log, then send "retry".', during, atMs };
}
