import type { ScalarType, ScalarValue } from '../engine/contract/field-type.ts';
import { formatDateTime } from '../engine/contract/iso-time.ts';

/** A feature value as JSON has it. */
export type JsonValue = string | number | boolean | null;

/**
 * A feature value or join key as JSON: int64 and decimal are strings, datetimes ISO UTC with six decimals, the rest as they are.
 *
 * @example
 * jsonValue({ kind: 'int64' }, 9007199254740993n); // '9007199254740993'
 */
export function jsonValue(type: ScalarType, value: ScalarValue): JsonValue {
  if (value === null) return null;
  if (typeof value === 'bigint') return value.toString();
  return type.kind === 'timestamp' ? formatDateTime(value as number) : value;
}
