import { pino } from 'pino';

/** How much a log says. */
export type LogLevel = pino.LevelWithSilent;

/** The log of the API: JSON lines on standard error. */
export function apiLog(level: LogLevel = 'info'): pino.Logger {
  return pino({ name: 'millrace-api', level }, pino.destination(2));
}
