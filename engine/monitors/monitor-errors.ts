import { MillraceError } from '../errors/millrace-error.ts';

/** Another backfill, or a fold, holds the buckets of the source. */
export function monitorsBusy(source: string): MillraceError {
  return new MillraceError('monitors-busy', `somebody else changes the monitors of ${source}`, {
    remedy: 'Wait until the other backfill is done, and try again.',
    retryable: true,
    httpStatus: 409,
  });
}

/** A source that says `monitors: false`. */
export function notMonitored(source: string): MillraceError {
  return new MillraceError('not-monitored', `source ${source} says monitors: false`, {
    remedy: 'Take `monitors: false` off the source.',
    httpStatus: 409,
  });
}
