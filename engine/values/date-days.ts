/** The days "0000-01-01" and "9999-12-31" have. */
export const FIRST_DAY = -719_528;
export const LAST_DAY = 2_932_896;

const DAY_MS = 86_400_000;

/** "1970-01-02" is 1: days since 1970-01-01, proleptic Gregorian. */
export function daysOfDate(date: string): number {
  return Date.parse(date) / DAY_MS;
}

/** 1 is "1970-01-02". */
export function dateOfDays(days: number): string {
  return new Date(days * DAY_MS).toISOString().slice(0, 10);
}
