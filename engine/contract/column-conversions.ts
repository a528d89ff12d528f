import type { ColumnType } from './column-type.ts';
import { canonicalDecimal, decimalOfScaled } from './decimal.ts';
import type { Convert } from './decoder.ts';
import type { ScalarType } from '../values/field-type.ts';
import { dateOfDays, isIsoDate, parseDateTime } from '../values/iso-time.ts';
import { int64OfBigint, int64OfText, jsonConversion } from './json-conversions.ts';

/** How a raw column value becomes a row value; null where a column of that type can never be such a field. */
export function columnConversion(type: ScalarType, column: ColumnType): Convert | null {
  if (column.kind === 'text') return textConversion(type);
  switch (type.kind) {
    case 'string':
    case 'enum':
      return null;
    case 'boolean':
      return column.kind === 'boolean' ? jsonConversion(type) : null;
    case 'int':
      return intConversion(column);
    case 'int64':
      return int64Conversion(column);
    case 'double':
      return doubleConversion(column);
    case 'decimal':
      return decimalConversion(column, type.precision, type.scale);
    case 'timestamp':
      return timestampConversion(column);
    case 'date':
      return column.kind === 'date' ? cachedDates() : null;
  }
}

const numberText = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/**
 * How text becomes a row value: CSV fields, VARCHAR columns, and `key=value` on a command line. Numbers are JSON's, decimals and dates
 * as in JSON, booleans `true` and `false`; a datetime may have a space for its T and no zone, which is UTC.
 */
export function textConversion(type: ScalarType): Convert {
  switch (type.kind) {
    case 'string':
    case 'enum':
      // DuckDB holds valid UTF-8 only.
      return jsonConversion(type, true, 'well-formed');
    case 'boolean':
      return (raw) => (raw === 'true' ? true : raw === 'false' ? false : undefined);
    case 'int':
      return (raw) => {
        const value = typeof raw === 'string' && numberText.test(raw) ? Number(raw) : Number.NaN;
        return Number.isSafeInteger(value) ? value + 0 : undefined;
      };
    case 'double':
      return (raw) => {
        const value = typeof raw === 'string' && numberText.test(raw) ? Number(raw) : Number.NaN;
        return Number.isFinite(value) ? value + 0 : undefined;
      };
    case 'int64':
      return (raw) => (typeof raw === 'string' ? int64OfText(raw) : undefined);
    case 'decimal': {
      const { precision, scale } = type;
      return (raw) => (typeof raw === 'string' ? canonicalDecimal(raw, precision, scale) : undefined);
    }
    case 'timestamp': {
      const form = { offset: true, relaxed: true };
      return (raw) => {
        const epochUs = typeof raw === 'string' ? parseDateTime(raw, form) : Number.NaN;
        return epochUs === epochUs ? epochUs : undefined;
      };
    }
    case 'date':
      return (raw) => (typeof raw === 'string' && isIsoDate(raw) ? raw : undefined);
  }
}

function intConversion(column: ColumnType): Convert | null {
  switch (column.kind) {
    case 'integer':
    case 'float':
      return (raw) => {
        const value = typeof raw === 'bigint' ? Number(raw) : raw;
        return Number.isSafeInteger(value) ? (value as number) + 0 : undefined;
      };
    case 'decimal': {
      const whole = wholeOfDecimal(column.scale);
      return (raw) => {
        const value = Number(whole(raw) ?? Number.NaN);
        return Number.isSafeInteger(value) ? value : undefined;
      };
    }
    default:
      return null;
  }
}

function int64Conversion(column: ColumnType): Convert | null {
  switch (column.kind) {
    case 'integer':
    case 'float':
      return (raw) => {
        if (typeof raw === 'bigint') return int64OfBigint(raw);
        return Number.isSafeInteger(raw) ? BigInt(raw as number) : undefined;
      };
    case 'decimal': {
      const whole = wholeOfDecimal(column.scale);
      return (raw) => {
        const value = whole(raw);
        return value === undefined ? undefined : int64OfBigint(value);
      };
    }
    default:
      return null;
  }
}

function doubleConversion(column: ColumnType): Convert | null {
  switch (column.kind) {
    case 'integer':
    case 'float':
      return (raw) => {
        const value = typeof raw === 'bigint' ? Number(raw) : raw;
        return Number.isFinite(value) ? (value as number) + 0 : undefined;
      };
    case 'decimal': {
      // Through the decimal text: dividing by a power of ten would round twice.
      const { scale } = column;
      return (raw) => {
        const units = unitsOf(raw);
        return units === undefined ? undefined : Number(`${units}e-${scale}`) + 0;
      };
    }
    default:
      return null;
  }
}

function decimalConversion(column: ColumnType, precision: number, scale: number): Convert | null {
  if (column.kind !== 'integer' && column.kind !== 'decimal') return null;
  const fromScale = column.kind === 'decimal' ? column.scale : 0;
  return (raw) => {
    const units = unitsOf(raw);
    return units === undefined ? undefined : decimalOfScaled(units, fromScale, precision, scale);
  };
}

function timestampConversion(column: ColumnType): Convert | null {
  if (column.kind === 'timestamp') {
    return (raw) => {
      const value = typeof raw === 'bigint' ? Number(raw) : raw;
      return Number.isSafeInteger(value) ? (value as number) + 0 : undefined;
    };
  }
  if (column.kind !== 'timestamp-ns') return null;
  return (raw) => {
    const nanos = unitsOf(raw);
    return nanos === undefined || nanos % 1000n !== 0n ? undefined : Number(nanos / 1000n);
  };
}

function unitsOf(raw: unknown): bigint | undefined {
  if (typeof raw === 'bigint') return raw;
  return Number.isSafeInteger(raw) ? BigInt(raw as number) : undefined;
}

function wholeOfDecimal(scale: number): (raw: unknown) => bigint | undefined {
  const step = 10n ** BigInt(scale);
  return (raw) => {
    const units = unitsOf(raw);
    return units === undefined || units % step !== 0n ? undefined : units / step;
  };
}

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
