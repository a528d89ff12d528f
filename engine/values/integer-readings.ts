import type { ColumnType } from './column-type.ts';
import type { Convert } from './convert.ts';
import { int64OfBigint, int64OfText } from './int64.ts';

/** Numbers as JSON writes them. */
export const numberText = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** Beyond ±2^24 a 32-bit float steps by more than one: what is whole there may have been another integer. */
const WHOLE_FLOAT32 = 2 ** 24;

/** Typed values of `z.int()`: whole, and safe. */
export function typedInt(form: ColumnType): Convert | null {
  switch (form.kind) {
    case 'double':
      // Adding 0 turns -0 into 0.
      return (raw) => (Number.isSafeInteger(raw) ? (raw as number) + 0 : undefined);
    case 'integer':
      return (raw) => {
        const value = typeof raw === 'bigint' ? Number(raw) : raw;
        return Number.isSafeInteger(value) ? (value as number) + 0 : undefined;
      };
    case 'float':
      return (raw) => (isWholeFloat32(raw) ? raw + 0 : undefined);
    case 'decimal': {
      const whole = wholeOfDecimal(form.scale);
      return (raw) => {
        const value = Number(whole(raw) ?? Number.NaN);
        return Number.isSafeInteger(value) ? value : undefined;
      };
    }
    default:
      return null;
  }
}

/** Typed values of `z.int64()`; a text is digits, without the point that only a reading of text takes. */
export function typedInt64(form: ColumnType): Convert | null {
  switch (form.kind) {
    case 'double':
      return (raw) => (Number.isSafeInteger(raw) ? BigInt(raw as number) : undefined);
    case 'integer':
      return (raw) => {
        if (typeof raw === 'bigint') return int64OfBigint(raw);
        return Number.isSafeInteger(raw) ? BigInt(raw as number) : undefined;
      };
    case 'float':
      return (raw) => (isWholeFloat32(raw) ? BigInt(raw) : undefined);
    case 'decimal': {
      const whole = wholeOfDecimal(form.scale);
      return (raw) => {
        const value = whole(raw);
        return value === undefined ? undefined : int64OfBigint(value);
      };
    }
    case 'text':
      return (raw) => (typeof raw === 'string' ? int64OfText(raw) : undefined);
    default:
      return null;
  }
}

/**
 * An integer in text: digits; or a number with point or exponent, as programs write integers they hold as doubles ("42.0"): under the
 * rule of doubles, whole and within ±2^53.
 */
export const textInt: Convert = (raw) => {
  const value = typeof raw === 'string' && numberText.test(raw) ? Number(raw) : Number.NaN;
  return Number.isSafeInteger(value) ? value + 0 : undefined;
};

/** The same for 64 bits. */
export const textInt64: Convert = (raw) => {
  const digits = typeof raw === 'string' ? int64OfText(raw) : undefined;
  if (digits !== undefined) return digits;
  const value = isPointed(raw) ? textInt(raw) : undefined;
  return value === undefined ? undefined : BigInt(value as number);
};

/** Whether a text writes a number with a point or an exponent. */
function isPointed(raw: unknown): raw is string {
  return typeof raw === 'string' && /[.eE]/.test(raw);
}

/** What to say of an integer that is refused: too many digits for its type, or digits that were lost on the way. */
export function integerAdvice(kind: 'int' | 'int64'): (raw: unknown) => string {
  const wider = kind === 'int' ? 'beyond 2^53 an integer is z.int64(), which a JSON record sends as text' : '';
  return (raw) => {
    if (typeof raw === 'number' && Number.isInteger(raw) && !Number.isSafeInteger(raw)) {
      return kind === 'int' ? wider : 'beyond 2^53 a JSON number or a double has lost digits: send it as text';
    }
    if (typeof raw === 'bigint') return Number.isSafeInteger(Number(raw)) ? '' : wider;
    if (typeof raw !== 'string' || !numberText.test(raw) || !Number.isInteger(Number(raw))) return '';
    if (Number.isSafeInteger(Number(raw))) return '';
    return isPointed(raw)
      ? 'with a point or an exponent it counts as a double, which has lost digits beyond 2^53: write all its digits'
      : wider;
  };
}

/** The unscaled integer of a raw value, as a bigint. */
export function unitsOf(raw: unknown): bigint | undefined {
  if (typeof raw === 'bigint') return raw;
  return Number.isSafeInteger(raw) ? BigInt(raw as number) : undefined;
}

/** From an unscaled integer to the whole number it is, if it is one. */
export function wholeOfDecimal(scale: number): (raw: unknown) => bigint | undefined {
  const step = 10n ** BigInt(scale);
  return (raw) => {
    const units = unitsOf(raw);
    return units === undefined || units % step !== 0n ? undefined : units / step;
  };
}

function isWholeFloat32(raw: unknown): raw is number {
  return Number.isInteger(raw) && Math.abs(raw as number) < WHOLE_FLOAT32;
}
