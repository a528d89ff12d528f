import type { Convert } from './convert.ts';
import type { ScalarType } from './field-type.ts';
import { int64OfBigint } from './int64.ts';
import { jsonConversion } from './json-conversions.ts';

/** Checks a value that a row function returned against a type, in the row's representation; undefined where it does not fit. */
export function rowValueConversion(type: ScalarType): Convert {
  switch (type.kind) {
    case 'int64':
      return (raw) => (typeof raw === 'bigint' ? int64OfBigint(raw) : undefined);
    case 'timestamp':
      return (raw) => (Number.isSafeInteger(raw) ? (raw as number) + 0 : undefined);
    default:
      return jsonConversion(type);
  }
}
