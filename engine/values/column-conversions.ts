import type { ColumnType } from './column-type.ts';
import type { Convert } from './convert.ts';
import { dateOfDays } from './date-days.ts';
import { rescaledDecimal } from './decimal-text.ts';
import type { ScalarType } from './field-type.ts';
import { int64OfBigint } from './int64.ts';
import { jsonConversion } from './json-conversions.ts';
import { textConversion } from './text-conversions.ts';

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
  const rescaled = rescaledDecimal(column.kind === 'decimal' ? column.scale : 0, precision, scale);
  return (raw) => {
    const units = unitsOf(raw);
    return units === undefined ? undefined : rescaled(units);
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
