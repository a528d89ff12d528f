import { ActivityFailure, RetryState, TimeoutFailure, TimeoutType } from '@temporalio/common';
import { expect, it } from 'vitest';
import { failureOf } from '../../workflows/failure.ts';

it('an activity that was not done in time is told by what it was for', () => {
  const timeout = new TimeoutFailure('activity Heartbeat timeout', undefined, TimeoutType.HEARTBEAT);
  const failed = new ActivityFailure('Activity task timed out', 'backfillView', '1', RetryState.TIMEOUT, 'w', timeout);
  expect(failureOf(failed, 'backfill', 7)).toMatchObject({
    code: 'activity-timeout',
    message: 'backfill: activity Heartbeat timeout (HEARTBEAT)',
    during: 'backfill',
    atMs: 7,
  });
});

it('an error of no kind is told as one that nobody named', () => {
  expect(failureOf(new TypeError('x is not a function'), 'proof', 7)).toMatchObject({
    code: 'unexpected-error',
    message: 'x is not a function',
  });
});
