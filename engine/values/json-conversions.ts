import type { Convert } from './convert.ts';
import { isIsoDate } from './date-days.ts';
import { canonicalDecimal } from './decimal-text.ts';
import type { ScalarType } from './field-type.ts';
import { int64OfBigint, int64OfText } from './int64.ts';
import { parseDateTime } from './iso-time.ts';

/** What is known of a text before it is looked at: nothing, that it is well-formed Unicode, or that it has no NUL either. */
export type TextTrust = 'none' | 'well-formed' | 'storable';

/** Text every store can hold: well-formed Unicode without NUL (Postgres has no place for either). */
function storableText(trust: TextTrust): Convert {
  switch (trust) {
    case 'none':
      return (raw) => (typeof raw === 'string' && raw.isWellFormed() && !raw.includes('\0') ? raw : undefined);
    case 'well-formed':
      return (raw) => (typeof raw === 'string' && !raw.includes('\0') ? raw : undefined);
    case 'storable':
      return (raw) => (typeof raw === 'string' ? raw : undefined);
  }
}

/**
 * How a parsed JSON value becomes a row value of a type; undefined where it is not of it. The one place JSON and HTTP inputs go through.
 *
 * @example
 * jsonConversion({ kind: 'int64' })('9007199254740993'); // 9007199254740993n
 */
export function jsonConversion(type: ScalarType, offset = true, trust: TextTrust = 'none'): Convert {
  switch (type.kind) {
    case 'string':
      return storableText(trust);
    case 'boolean':
      return (raw) => (typeof raw === 'boolean' ? raw : undefined);
    case 'int':
      // Adding 0 turns -0 into 0.
      return (raw) => (Number.isSafeInteger(raw) ? (raw as number) + 0 : undefined);
    case 'double':
      return (raw) => (typeof raw === 'number' && Number.isFinite(raw) ? raw + 0 : undefined);
    case 'int64':
      return (raw) => {
        if (typeof raw === 'string') return int64OfText(raw);
        if (typeof raw === 'bigint') return int64OfBigint(raw);
        return Number.isSafeInteger(raw) ? BigInt(raw as number) : undefined;
      };
    case 'decimal': {
      const { precision, scale } = type;
      return (raw) => (typeof raw === 'string' ? canonicalDecimal(raw, precision, scale) : undefined);
    }
    case 'timestamp': {
      const form = { offset, relaxed: false };
      return (raw) => {
        const epochUs = typeof raw === 'string' ? parseDateTime(raw, form) : Number.NaN;
        return epochUs === epochUs ? epochUs : undefined;
      };
    }
    case 'date':
      return (raw) => (typeof raw === 'string' && isIsoDate(raw) ? raw : undefined);
    case 'enum': {
      const values = new Set<unknown>(type.values);
      return (raw) => (values.has(raw) ? raw : undefined);
    }
  }
}
