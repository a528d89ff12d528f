import { MockActivityEnvironment } from '@temporalio/testing';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Pulse, withPulse } from '../../activities/heartbeat.ts';

beforeEach(() => vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] }));
afterEach(() => vi.useRealTimers());

const MINUTE_MS = 60_000;

/** Runs work that a test moves; what became of it, and the signal that it was given. */
function started(stillForMs: number): { pulse: Pulse; ended: Promise<unknown> } {
  let pulse: Pulse | undefined;
  const ended = new MockActivityEnvironment()
    .run(() =>
      withPulse({ stillForMs }, async (own) => {
        pulse = own;
        // A promise that never settles.
        await new Promise<never>(() => undefined);
      }),
    )
    .catch((error: unknown) => error);
  return { pulse: pulse!, ended };
}

test('work whose figures do not change is given up, by its last figures', async () => {
  const { pulse, ended } = started(10 * MINUTE_MS);
  pulse.report({ phase: 'load', entities: 5, rate: 7 });
  for (let minute = 0; minute < 10; minute++) {
    vi.advanceTimersByTime(MINUTE_MS);
    // A rate falls while nothing moves.
    pulse.report({ phase: 'load', entities: 5, rate: 7 / (minute + 2) });
  }
  vi.advanceTimersByTime(MINUTE_MS);
  expect(await ended).toMatchObject({
    code: 'no-progress',
    retryable: true,
    message: expect.stringContaining('"load"'),
  });
  expect(pulse.signal.aborted).toBe(true);
});

test('work that moves, however slowly, is not', async () => {
  const { pulse, ended } = started(10 * MINUTE_MS);
  for (let entities = 0; entities < 20; entities++) {
    pulse.report({ phase: 'load', entities, rate: 0 });
    vi.advanceTimersByTime(9 * MINUTE_MS);
    expect(pulse.signal.aborted).toBe(false);
  }
  vi.advanceTimersByTime(2 * MINUTE_MS);
  expect(await ended).toMatchObject({ code: 'no-progress' });
});

test('a loop that comes round moves, though its figures stay as they are; one that hangs does not, though it is reported', async () => {
  const { pulse, ended } = started(10 * MINUTE_MS);
  const idle = { state: 'running', lag: 0, records: 5 };
  for (let turns = 0; turns < 30; turns++) {
    pulse.report(idle, turns);
    vi.advanceTimersByTime(9 * MINUTE_MS);
    expect(pulse.signal.aborted).toBe(false);
  }
  for (let minute = 0; minute < 12; minute++) {
    pulse.report(idle, 30);
    vi.advanceTimersByTime(MINUTE_MS);
  }
  expect(await ended).toMatchObject({ code: 'no-progress', retryable: true });
  expect(pulse.signal.aborted).toBe(true);
});
