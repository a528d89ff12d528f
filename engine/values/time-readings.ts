import type { ColumnType } from './column-type.ts';
import type { Convert } from './convert.ts';
import { isIsoDate, dateOfDays } from './date-days.ts';
import { epochMicros, likelyUnit, microsOfNanos } from './epoch-time.ts';
import { UNIT_NAMES } from './expected-words.ts';
import { textInt64, typedInt64, unitsOf } from './integer-readings.ts';
import { type DateTimeForm, parseDateTime } from './iso-time.ts';
import type { EpochUnit, Spelling } from './spelling.ts';

/** Typed values of a datetime. One without a zone needs `local`, one cut already (INT96) `truncate`. */
export function typedDateTime(form: ColumnType, spelling: Spelling): Convert | null {
  switch (form.kind) {
    case 'text':
      return parsed({ ...spelling, relaxed: false });
    case 'timestamp':
      if ((!form.zone && !spelling.local) || (form.isCut && !spelling.truncate)) return null;
      if (form.towards === 'zero') {
        return (raw) => {
          const value = Number(raw);
          // Up to 1970 what was cut towards zero was not cut towards the past, and which it was is gone.
          return Number.isSafeInteger(value) && value > 0 ? value : undefined;
        };
      }
      return (raw) => {
        const value = typeof raw === 'bigint' ? Number(raw) : raw;
        return Number.isSafeInteger(value) ? (value as number) + 0 : undefined;
      };
    case 'timestamp-ns':
      if (!form.zone && !spelling.local) return null;
      return (raw) => {
        const nanos = unitsOf(raw);
        const micros = nanos === undefined ? Number.NaN : microsOfNanos(nanos, spelling.truncate);
        return Number.isSafeInteger(micros) ? micros : undefined;
      };
    default:
      return null;
  }
}

/** A datetime in text: as in JSON, and with a space for its T, without seconds, with an offset of hours alone. */
export function textDateTime(spelling: Spelling): Convert {
  return parsed({ ...spelling, relaxed: true });
}

function parsed(form: DateTimeForm): Convert {
  const { offset, local, truncate, relaxed } = form;
  const exactly = { offset, local, truncate, relaxed };
  return (raw) => {
    const epochUs = typeof raw === 'string' ? parseDateTime(raw, exactly) : Number.NaN;
    return epochUs === epochUs ? epochUs : undefined;
  };
}

/** What to say of a datetime that is refused: which declaration would take it. */
export function dateTimeAdvice(raw: unknown, form: DateTimeForm): string {
  const isEpoch = typeof raw === 'string' && /^\d{9,19}$/.test(raw) && likelyUnit(Number(raw)) !== null;
  if (typeof raw === 'number' || isEpoch) return 'an epoch number needs epoch(…) in the contract, with its unit';
  if (typeof raw !== 'string') return '';
  const takes = (more: Partial<DateTimeForm>): boolean => {
    const epochUs = parseDateTime(raw, { ...form, ...more });
    return epochUs === epochUs;
  };
  if (takes({ offset: true })) return 'a time with an offset needs z.iso.datetime({ offset: true })';
  if (takes({ local: true }))
    return 'a time without a zone needs z.iso.datetime({ local: true }): it then counts as UTC';
  if (takes({ truncate: true })) return finerAdvice;
  if (form.relaxed || !takes({ relaxed: true, offset: true, local: true, truncate: true })) return '';
  return 'a typed value is written 2024-05-01T00:00:00Z: with a T, with seconds, an offset as +00:00';
}

/** What to say of a nanosecond timestamp that is refused. */
export function nanosAdvice(raw: unknown): string {
  const nanos = unitsOf(raw);
  return nanos !== undefined && nanos % 1000n !== 0n ? finerAdvice : '';
}

/** What to say of a time that a reader has cut towards zero, not towards the past. */
export function cutAdvice(raw: unknown): string {
  return Number.isSafeInteger(Number(raw)) && Number(raw) <= 0
    ? 'nanoseconds in UTC can be cut towards the past from 1970 on only: write the column in microseconds'
    : '';
}

const finerAdvice = "digits finer than a microsecond must be zero, unless the source says finerThanMicros: 'truncate'";

/** Typed values of `epoch(unit)`: whole numbers, or digits. */
export function typedEpoch(form: ColumnType, unit: EpochUnit, truncate: boolean): Convert | null {
  // A 32-bit float does not hold a time to the second.
  const whole = form.kind === 'float' ? null : typedInt64(form);
  if (whole === null) return null;
  if (form.kind !== 'integer' && form.kind !== 'double') return epochOf(whole, unit, truncate);
  const micros = epochMicros(unit, truncate);
  const wide = epochOf(whole, unit, truncate);
  // Safe integers are the common case, and need no bigint.
  return (raw) => (Number.isSafeInteger(raw) ? micros(raw as number) : wide(raw));
}

/** An epoch number in text, an integer like any other. */
export function textEpoch(unit: EpochUnit, truncate: boolean): Convert {
  return epochOf(textInt64, unit, truncate);
}

function epochOf(whole: Convert, unit: EpochUnit, truncate: boolean): Convert {
  const micros = epochMicros(unit, truncate);
  return (raw) => {
    const value = whole(raw) as bigint | undefined;
    return value === undefined ? undefined : micros(value);
  };
}

/** What to say of an epoch number that is refused. */
export function epochAdvice(raw: unknown, whole: Convert, unit: EpochUnit): string {
  const isUnsafe = typeof raw === 'number' && Number.isInteger(raw) && !Number.isSafeInteger(raw);
  const unsafeUnit = isUnsafe ? likelyUnit(raw) : null;
  if (unsafeUnit !== null && unsafeUnit !== unit) return `looks like ${UNIT_NAMES[unsafeUnit]}`;
  if (isUnsafe) {
    return 'beyond 2^53 a JSON number or a double has lost digits: send it as text';
  }
  const value = whole(raw) as bigint | undefined;
  if (value === undefined) return '';
  const likely = likelyUnit(value);
  if (likely !== null && likely !== unit) return `looks like ${UNIT_NAMES[likely]}`;
  return unit === 'ns' && value % 1000n !== 0n ? finerAdvice : '';
}

/** Typed values of a date. */
export function typedDate(form: ColumnType): Convert | null {
  if (form.kind === 'text') return textDate;
  return form.kind === 'date' ? cachedDates() : null;
}

/** A date in text. */
export const textDate: Convert = (raw) => (typeof raw === 'string' && isIsoDate(raw) ? raw : undefined);

/** A history has few distinct days: each one's text is made once. */
function cachedDates(): Convert {
  const texts = new Map<unknown, string | undefined>();
  return (raw) => {
    const known = texts.get(raw);
    if (known !== undefined) return known;
    const text = typeof raw === 'number' ? dateOfDays(raw) : undefined;
    if (texts.size < 100_000) texts.set(raw, text);
    return text;
  };
}
