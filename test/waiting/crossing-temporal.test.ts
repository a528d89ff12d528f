import { ServiceError } from '@temporalio/client';
import { MockActivityEnvironment } from '@temporalio/testing';
import { expect, test } from 'vitest';
import { asActivity } from '../../activities/activity-error.ts';
import { asMillraceError } from '../../cli/as-millrace-error.ts';

test('a result that Temporal would not take is refused by name, at once', async () => {
  const large = asActivity('by-error', async () => ({ names: ['x'.repeat(3 << 20)] }));
  await expect(new MockActivityEnvironment().run(large, {})).rejects.toMatchObject({
    type: 'result-too-large',
    nonRetryable: true,
    message: expect.stringMatching(/^a result of 31\d{5} bytes; Temporal takes \d+$/),
  });
});

test('a Temporal that does not answer is named as such, and is waited for', () => {
  const wire = Object.assign(new Error('14 UNAVAILABLE'), { code: 14, details: 'connection dropped', metadata: {} });
  expect(asMillraceError(new ServiceError('failed to describe', { cause: wire }))).toMatchObject({
    code: 'temporal-unavailable',
    waits: true,
    message: expect.stringContaining('connection dropped'),
  });
});
