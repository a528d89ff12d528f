import { daysOfDate, MICROS_PER_DAY, twoDigits } from './date-days.ts';

/** Which texts count as a point in time. */
export interface DateTimeForm {
  /** Accepts `±HH:MM` beside `Z` (zod: `z.iso.datetime({ offset: true })`). */
  readonly offset: boolean;
  /** Accepts no zone at all, which counts as UTC, and then no seconds either (zod: `{ local: true }`). */
  readonly local: boolean;
  /** Cuts digits finer than a microsecond; else they must be zero. */
  readonly truncate: boolean;
  /** Also what DuckDB, Postgres and pandas print in CSV: a space for `T`, no seconds, and an offset of hours alone. */
  readonly relaxed: boolean;
}

/** The form of a point in time that stands for itself: on a command line, in a request, in a definition. */
export const INSTANT: DateTimeForm = { offset: true, local: false, truncate: false, relaxed: false };

/**
 * UTC epoch microseconds of an ISO date and time, or NaN where the text is none, has digits finer than a microsecond, or lies outside the
 * safe integers (about 1684 to 2255).
 */
export function parseDateTime(text: string, form: DateTimeForm): number {
  const days = daysOfDate(text);
  if (days !== days || text.length < 16) return Number.NaN;
  const separator = text.charCodeAt(10);
  if (separator !== 84 && !(form.relaxed && separator === 32)) return Number.NaN;
  const hour = twoDigits(text, 11);
  const minute = twoDigits(text, 14);
  if (text.charCodeAt(13) !== 58 || !(hour < 24) || !(minute < 60)) return Number.NaN;
  let at = 16;
  let micros = (hour * 60 + minute) * 60_000_000;
  if (text.charCodeAt(at) === 58) {
    const second = twoDigits(text, 17);
    if (!(second < 60)) return Number.NaN;
    micros += second * 1_000_000;
    at = 19;
    if (text.charCodeAt(at) === 46) {
      let unit = 100_000;
      for (at += 1; ; at += 1) {
        const digit = text.charCodeAt(at) - 48;
        if (!(digit >= 0 && digit <= 9)) break;
        if (unit < 1 && digit !== 0 && !form.truncate) return Number.NaN;
        micros += digit * unit;
        unit = unit <= 1 ? 0 : unit / 10;
      }
      if (unit === 100_000) return Number.NaN;
    }
  } else if (!form.relaxed && !(form.local && text.length === at)) {
    return Number.NaN;
  }
  const offset = zoneOffsetMicros(text, at, form);
  const result = days * MICROS_PER_DAY + micros - offset;
  return Number.isSafeInteger(result) ? result : Number.NaN;
}

function zoneOffsetMicros(text: string, at: number, form: DateTimeForm): number {
  const code = text.charCodeAt(at);
  if (code === 90) return text.length === at + 1 ? 0 : Number.NaN;
  if (at === text.length) return form.local ? 0 : Number.NaN;
  if (!form.offset || (code !== 43 && code !== 45)) return Number.NaN;
  const hour = twoDigits(text, at + 1);
  const brief = form.relaxed && text.length === at + 3;
  if (!brief && (text.charCodeAt(at + 3) !== 58 || text.length !== at + 6)) return Number.NaN;
  const minute = brief ? 0 : twoDigits(text, at + 4);
  if (!(hour < 24) || !(minute < 60)) return Number.NaN;
  const micros = (hour * 60 + minute) * 60_000_000;
  return code === 45 ? -micros : micros;
}

/**
 * ISO text of UTC epoch microseconds with six decimals, as Millrace prints every datetime.
 *
 * @example
 * formatDateTime(0); // '1970-01-01T00:00:00.000000Z'
 */
export function formatDateTime(epochUs: number): string {
  const millis = Math.floor(epochUs / 1000);
  const micros = epochUs - millis * 1000;
  return `${new Date(millis).toISOString().slice(0, -1)}${String(micros).padStart(3, '0')}Z`;
}
