import type { ColumnType } from './column-type.ts';
import { dateOfDays } from './date-days.ts';
import { decimalOfScaled } from './decimal-text.ts';
import { describeReceived } from './describe-received.ts';
import { unitsOf } from './integer-readings.ts';
import { formatDateTime } from './iso-time.ts';

/** The last instant a calendar has a text for, µs. */
const CALENDAR_END_US = 8.64e15;

/**
 * A column's raw value as it stands in the file, not as the reader holds it: decimals with their point, 32-bit floats with their digits, times and dates as texts, beyond
 * the calendar as counts.
 *
 * @example
 * rawText({ kind: 'decimal', scale: 2 }, 1250n); // '12.50'
 */
export function rawText(form: ColumnType, raw: unknown): unknown {
  if (typeof raw !== 'number' && typeof raw !== 'bigint') return raw;
  const units = unitsOf(raw);
  switch (form.kind) {
    case 'float':
      return shortestFloat32(Number(raw));
    case 'decimal':
      return units === undefined ? raw : decimalOfScaled(units, form.scale);
    case 'timestamp':
      return Math.abs(Number(raw)) <= CALENDAR_END_US * 1000
        ? zoned(textOfMicros(Number(raw)), form.zone)
        : `${raw} µs`;
    case 'timestamp-ns':
      return units === undefined ? raw : zoned(textOfNanos(units), form.zone);
    case 'date':
      return dateOfDays(Number(raw)) ?? `day ${raw}`;
    default:
      return raw;
  }
}

/** The same as refusals show it. */
export function receivedOf(form: ColumnType): (raw: unknown) => string {
  return (raw) => {
    const text = rawText(form, raw);
    return typeof text === 'string' && typeof raw !== 'string' ? text : describeReceived(text);
  };
}

/** The fewest digits that mean this 32-bit float. */
function shortestFloat32(value: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const shorter = Number(value.toPrecision(digits));
    if (Math.fround(shorter) === value) return shorter;
  }
  return value;
}

/** A time of a column without a zone has none to show. */
function zoned(text: string, zone: boolean): string {
  return zone ? text : text.replace(/Z$/, '');
}

function textOfMicros(epochUs: number): string {
  return Number.isSafeInteger(epochUs) ? formatDateTime(epochUs) : new Date(epochUs / 1000).toISOString();
}

function textOfNanos(nanos: bigint): string {
  const rest = ((nanos % 1000n) + 1000n) % 1000n;
  const micros = formatDateTime(Number((nanos - rest) / 1000n));
  return `${micros.slice(0, -1)}${String(rest).padStart(3, '0')}Z`;
}
