import type { Convert } from './decoder.ts';
import type { ScalarType } from '../values/field-type.ts';
import { int64OfBigint, jsonConversion } from './json-conversions.ts';

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

/** A type as messages name it: `decimal(10,2)`. */
export function nameOfType(type: ScalarType): string {
  return type.kind === 'decimal' ? `decimal(${type.precision},${type.scale})` : type.kind;
}
