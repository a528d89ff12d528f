import { MICROS_PER_DAY } from './date-days.ts';

const MILLIS_PER_DAY = MICROS_PER_DAY / 1000;

/** A zone's clock, as the time zone database of this Node.js has it. All times in epoch µs; a wall time is the reading of a clock, taken as if it were UTC. */
export interface TimeZone {
  readonly name: string;
  /** The instants at which a clock there shows this, rising: one; none where it was put forward over it; two where it was put back over it. */
  instantsOf(wallUs: number): readonly number[];
  /** The first instant of the day that begins with this wall midnight: the midnight itself, or where there is none, what comes after it. */
  startOfDay(midnightUs: number): number;
}

const UTC: TimeZone = { name: 'UTC', instantsOf: (wallUs) => [wallUs], startOfDay: (midnightUs) => midnightUs };

/** A name as the database has them; offsets, which Intl takes as well, are none. */
const ZONE_NAME = /^[A-Za-z][\w+-]*(?:\/[\w+-]+)*$/;

/**
 * The zone of an IANA name (`Europe/Berlin`, `Etc/GMT-2`) or `UTC`; undefined for anything else, an offset included.
 *
 * @example
 * timeZoneOf('Europe/Berlin')?.instantsOf(Date.UTC(2024, 9, 27, 2, 30) * 1000).length; // 2
 */
export function timeZoneOf(name: string): TimeZone | undefined {
  if (name === 'UTC') return UTC;
  const offsetAt = ZONE_NAME.test(name) ? offsetsOf(name) : undefined;
  if (offsetAt === undefined) return undefined;
  const instantsOf = (wallUs: number): number[] => {
    // No zone changes its clock twice within two days.
    const before = offsetAt(wallUs - MICROS_PER_DAY);
    const after = offsetAt(wallUs + MICROS_PER_DAY);
    const candidates = before === after ? [wallUs - before] : [wallUs - before, wallUs - after];
    return candidates.filter((instantUs) => instantUs + offsetAt(instantUs) === wallUs).toSorted((a, b) => a - b);
  };
  return {
    name,
    instantsOf,
    startOfDay: (midnightUs) => {
      const [first] = instantsOf(midnightUs);
      if (first !== undefined) return first;
      // Midnight was left out: the day begins when the clock is put forward, at the instant the old clock would have shown it.
      return midnightUs - offsetAt(midnightUs - MICROS_PER_DAY);
    },
  };
}

/** How far a zone's clock is ahead of UTC at an instant, µs; undefined where there is no such zone. */
function offsetsOf(name: string): ((instantUs: number) => number) | undefined {
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: name,
      calendar: 'gregory',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  } catch {
    return undefined;
  }
  const offsetAtMillis = (millis: number): number => {
    const parts: Record<string, number> = {};
    for (const { type, value } of format.formatToParts(millis)) parts[type] = Number(value);
    const { year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0 } = parts;
    return (Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(millis / 1000) * 1000) * 1000;
  };
  // A day that begins and ends with one offset has no other: one look per day, not per row.
  const ofDays = new Map<number, number | null>();
  return (instantUs) => {
    const millis = Math.floor(instantUs / 1000);
    const day = Math.floor(millis / MILLIS_PER_DAY);
    let known = ofDays.get(day);
    if (known === undefined) {
      const first = offsetAtMillis(day * MILLIS_PER_DAY);
      known = first === offsetAtMillis((day + 1) * MILLIS_PER_DAY) ? first : null;
      ofDays.set(day, known);
    }
    return known ?? offsetAtMillis(millis);
  };
}
