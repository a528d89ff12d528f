import type { Reading } from '../values/convert.ts';
import { daysOfDate, MICROS_PER_DAY } from '../values/date-days.ts';
import { formatDateTime } from '../values/iso-time.ts';
import { KEY_SPELLING, type Spelling } from '../values/spelling.ts';
import { type TimeZone, timeZoneOf } from '../values/time-zone.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import { readingOf, type SpineColumn } from './spine-columns.ts';
import type { SpineFault } from './spine-faults.ts';

/** Which instant of a day a date stands for: its first, or the first of the day after. */
export type TimeAt = 'start' | 'end';

/** What is said of times that do not say it themselves. */
export interface TimeRule {
  /** Of times without a zone, and of dates; null: nothing is said, and dates are days of UTC. */
  readonly zone: TimeZone | null;
  /** Null: a date is no time. */
  readonly at: TimeAt | null;
}

/** Reads an export's `timeZone` and `timeAt`. Throws `unknown-time-zone`, `unknown-time-at`. */
export function timeRule(timeZone: string | null, timeAt: string | null): TimeRule {
  const zone = timeZone === null ? null : timeZoneOf(timeZone);
  if (zone === undefined) {
    throw new MillraceError(
      'unknown-time-zone',
      `timeZone ${JSON.stringify(timeZone)}; expected UTC or the name of a zone, as Europe/Berlin`,
      {
        remedy:
          'Name a zone of the IANA database; times with one offset all the year have Etc/GMT-2 (two hours ahead of UTC), or the offset beside each time.',
      },
    );
  }
  if (timeAt !== null && timeAt !== 'start' && timeAt !== 'end') {
    throw new MillraceError('unknown-time-at', `timeAt ${JSON.stringify(timeAt)}; expected "start" or "end"`, {
      remedy: 'Give "start" for labels known as their day begins, "end" for those known once it is over.',
    });
  }
  return { zone, at: timeAt };
}

/** An epoch number in text. */
const DIGITS = /^\d+(?:\.\d+)?$/;

/** How a spine's column is read as times. */
export interface TimeReading {
  readonly reading: Reading;
  /** What to do about a value that is refused. */
  readonly remedyOf: (raw: unknown) => string | null;
  /** Whether all values so far were dates. */
  readonly areDates: () => boolean;
}

const ZONE_REMEDY = 'Say in which zone such times are: timeZone (CLI: --time-zone), UTC or a name as Europe/Berlin.';
const AT_REMEDY =
  'Say which end of its day a date stands for: timeAt "start" or "end" (CLI: --time-at), "end" for what is known once the day is over.';

/**
 * Reads a column as times: epoch µs. A time with a zone is what it says; one without is read by the clock of `rule.zone`, and refused where that
 * clock never showed it, or twice; a date is the first instant of its day there (UTC where no zone is given) or of the day after.
 *
 * @param dates False for join keys: a date is none.
 * @returns A fault where no value of this column can be a time.
 */
export function timeReading(
  column: SpineColumn,
  rule: TimeRule,
  dates: boolean,
): TimeReading | Omit<SpineFault, 'code'> {
  const as = (more: Partial<Spelling>): Reading | null =>
    readingOf(column, { kind: 'timestamp' }, { ...KEY_SPELLING, ...more });
  const instant = as({});
  const local = as({ local: true });
  const date = dates ? readingOf(column, { kind: 'date' }, KEY_SPELLING) : null;
  const { zone, at } = rule;
  const base = instant ?? local ?? date;
  if (base === null) {
    return {
      message: `is ${column.type}; expected a timestamp${dates ? ', a date' : ''} or ISO 8601 text`,
      remedy: dates
        ? 'Write the label time as a timestamp, or name another column with timeColumn (CLI: --time COLUMN).'
        : 'Write the column as a timestamp.',
    };
  }
  if (instant === null && local !== null && zone === null)
    return { message: `is ${column.type}: times without a zone`, remedy: ZONE_REMEDY };
  if (instant === null && local === null && at === null)
    return { message: `is ${column.type}: days, without a time`, remedy: AT_REMEDY };

  const wallOf = (raw: unknown): number | undefined => local?.convert(raw) as number | undefined;
  const dateOf = (raw: unknown): string | undefined => date?.convert(raw) as string | undefined;
  const seen = { dates: false, times: false };
  const dayUs = at === null ? null : dayInstants(zone, at);
  const convert = (raw: unknown): number | undefined => {
    let time = instant?.convert(raw) as number | undefined;
    if (time === undefined && dayUs !== null) {
      const day = dateOf(raw);
      if (day !== undefined) {
        seen.dates = true;
        return dayUs(day);
      }
    }
    if (time === undefined && zone !== null) {
      const wall = wallOf(raw);
      const instants = wall === undefined ? [] : zone.instantsOf(wall);
      time = instants.length === 1 && Number.isSafeInteger(instants[0]) ? instants[0] : undefined;
    }
    seen.times = true;
    return time;
  };
  const advice = (raw: unknown): string => {
    const wall = wallOf(raw);
    if (wall !== undefined) return zone === null ? 'it has no zone' : clockFault(zone, wall);
    if (dateOf(raw) !== undefined) return at === null ? 'it is a day, without a time' : '';
    if (typeof raw === 'number' || DIGITS.test(String(raw)))
      return 'a number is no time here: it is written as ISO 8601 text';
    const isFiner = as({ local: true, truncate: true })?.convert(raw) !== undefined;
    return isFiner ? 'digits finer than a microsecond must be zero' : '';
  };
  return {
    reading: { expected: expectedTime(rule, dates), convert, received: base.received, advice },
    remedyOf: (raw) => {
      if (zone === null && wallOf(raw) !== undefined) return ZONE_REMEDY;
      return at === null && dateOf(raw) !== undefined ? AT_REMEDY : null;
    },
    areDates: () => seen.dates && !seen.times,
  };
}

function expectedTime({ zone, at }: TimeRule, dates: boolean): string {
  const zones = zone === null ? 'Z or an offset' : `Z, an offset or no zone (${zone.name})`;
  const days = dates && at !== null ? ', or a date' : '';
  return `an ISO datetime with ${zones}${days}, no finer than a microsecond, from 1684 to 2255`;
}

/** Why a clock's reading is no instant. */
function clockFault(zone: TimeZone, wallUs: number): string {
  const instants = zone.instantsOf(wallUs);
  if (instants.length === 0) return `no clock in ${zone.name} showed that: it was put forward over it`;
  if (instants.length === 1) return '';
  const shown = instants.map((instantUs) => formatDateTime(instantUs)).join(' and ');
  return `clocks in ${zone.name} showed that twice, at ${shown}: write which`;
}

function dayInstants(zone: TimeZone | null, at: TimeAt): (date: string) => number | undefined {
  const days = at === 'end' ? 1 : 0;
  return (date) => {
    const midnightUs = (daysOfDate(date) + days) * MICROS_PER_DAY;
    if (!Number.isSafeInteger(midnightUs)) return undefined;
    const instantUs = zone === null ? midnightUs : zone.startOfDay(midnightUs);
    return Number.isSafeInteger(instantUs) ? instantUs : undefined;
  };
}
