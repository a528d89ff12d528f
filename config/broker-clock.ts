import { readFileSync } from 'node:fs';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import { type Clock, systemClock } from '../engine/values/clock.ts';

/**
 * The clock of the brokers: the machine's, or in a replay, whose records have another time, the one that its file has. Whoever replays writes the file once the
 * records before that time are on the log: it is never ahead of what comes.
 *
 * @param file MILLRACE_BROKER_CLOCK: a file with one number, UTC epoch µs; null: the machine's clock
 * @example
 * const reader = createKafkaLogReader({ ...kafka, clientId: 'millrace', clock: brokerClock(env.brokerClockFile) });
 */
export function brokerClock(file: string | null): Clock {
  return file === null ? systemClock : { ...systemClock, nowUs: () => timeIn(file) };
}

function timeIn(file: string): number {
  const fail = (received: string, cause?: unknown): MillraceError =>
    new MillraceError('broker-clock-unreadable', `MILLRACE_BROKER_CLOCK: ${file}: ${received}`, {
      remedy: 'Whoever replays writes the time there, in microseconds since 1970; unset it where nothing is replayed.',
      retryable: true,
      httpStatus: 503,
      cause,
    });
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch (cause) {
    throw fail(cause instanceof Error ? cause.message : String(cause), cause);
  }
  if (!/^\d{1,16}$/.test(text)) throw fail(`expected a number of microseconds, received "${text.slice(0, 40)}"`);
  return Number(text);
}
