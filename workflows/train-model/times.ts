import { invalid, show } from '../json-input.ts';

const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };
const DURATION = /^(\d{1,6})(s|m|h|d|w)$/;

/** Milliseconds of a duration as `90m`. Throws `invalid-input`. */
export function durationMsOf(name: string, text: string): number {
  const [, count, unit] = DURATION.exec(text) ?? [];
  const ms = Number(count) * (UNIT_MS[unit ?? ''] ?? Number.NaN);
  if (ms > 0) return ms;
  throw invalid(`"${name}" must be a duration as "90m" (s, m, h, d, w), received ${show(text)}`);
}

/**
 * A time of the rows: `now` and `-90d` count from the run's start, and mean the same however long the run takes; other texts stay what they are.
 *
 * @example
 * timeOf('from', '-1d', Date.UTC(2026, 5, 2)); // '2026-06-01T00:00:00.000Z'
 */
export function timeOf(name: string, text: string, startMs: number): string {
  if (text === 'now') return new Date(startMs).toISOString();
  if (!/^-\d+[a-z]/.test(text)) return text;
  return new Date(startMs - durationMsOf(name, text.slice(1))).toISOString();
}
