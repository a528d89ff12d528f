import type { Convert } from './convert.ts';
import { isIsoDate } from './date-days.ts';
import { canonicalDecimal } from './decimal-text.ts';
import type { ScalarType } from './field-type.ts';
import { int64OfText } from './int64.ts';
import { parseDateTime } from './iso-time.ts';
import { jsonConversion } from './json-conversions.ts';

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
