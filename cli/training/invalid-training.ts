import { ApplicationFailure } from '@temporalio/common';
import { fromFailure } from '../lifecycle-client.ts';

/** Runs a check of the workflow's own; what it refuses is told as every other error is. */
export function asMillraceError<Result>(check: () => Result): Result {
  try {
    return check();
  } catch (error) {
    throw error instanceof ApplicationFailure ? fromFailure(error) : error;
  }
}
