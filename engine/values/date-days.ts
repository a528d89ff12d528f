/** Microseconds of a day of UTC, which has no leap seconds here. */
export const MICROS_PER_DAY = 86_400_000_000;

const MILLIS_PER_DAY = 86_400_000;
/** The days that "0000-01-01" and "9999-12-31" have. */
export const FIRST_DAY = -719_528;
export const LAST_DAY = 2_932_896;

/**
 * `YYYY-MM-DD` of a day counted from 1970-01-01, or undefined outside the years 0 to 9999.
 *
 * @example
 * dateOfDays(1); // '1970-01-02'
 */
export function dateOfDays(days: number): string | undefined {
  if (!Number.isInteger(days) || days < FIRST_DAY || days > LAST_DAY) return undefined;
  return new Date(days * MILLIS_PER_DAY).toISOString().slice(0, 10);
}

/** True for `YYYY-MM-DD` naming a day of the calendar, and nothing after it. */
export function isIsoDate(text: string): boolean {
  const days = text.length === 10 ? daysOfDate(text) : Number.NaN;
  return days === days;
}

const monthDays = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/**
 * Days since 1970-01-01, proleptic Gregorian, of the `YYYY-MM-DD` a text starts with; NaN where it starts with none.
 *
 * @example
 * daysOfDate('1970-01-02'); // 1
 */
export function daysOfDate(text: string): number {
  if (text.charCodeAt(4) !== 45 || text.charCodeAt(7) !== 45) return Number.NaN;
  const year = twoDigits(text, 0) * 100 + twoDigits(text, 2);
  const month = twoDigits(text, 5);
  const day = twoDigits(text, 8);
  if (!(month >= 1 && month <= 12 && day >= 1)) return Number.NaN;
  const leap = month === 2 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  if (day > (monthDays[month - 1] as number) + (leap ? 1 : 0)) return Number.NaN;
  // Days of the proleptic Gregorian calendar, with years that begin in March so that the leap day is the last.
  const shifted = month <= 2 ? year - 1 : year;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

/** The number two digits of a text name, NaN where they are none. */
export function twoDigits(text: string, at: number): number {
  const tens = text.charCodeAt(at) - 48;
  const ones = text.charCodeAt(at + 1) - 48;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN;
}
