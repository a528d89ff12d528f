import type { Convert } from './convert.ts';
import type { ScalarType, ScalarValue } from './field-type.ts';
import { formatDateTime } from './iso-time.ts';
import { typedReading } from './typed-reading.ts';

/** A scalar value or join key as JSON has it. */
export type JsonValue = string | number | boolean | null;

/** A feature's value as JSON has it, lists and maps too. */
export type JsonTree = JsonValue | readonly JsonTree[] | { readonly [key: string]: JsonTree };

/**
 * A scalar value or join key as JSON: int64 and decimal are strings, datetimes ISO UTC with six decimals, the rest as they are.
 *
 * @example
 * jsonValue({ kind: 'int64' }, 9007199254740993n); // '9007199254740993'
 */
export function jsonValue(type: ScalarType, value: ScalarValue): JsonValue {
  if (value === null) return null;
  if (typeof value === 'bigint') return value.toString();
  return type.kind === 'timestamp' ? formatDateTime(value as number) : value;
}

/** Join keys by name, as JSON has them. `key` has their values in the order of `keys`. */
export function jsonEntity(
  keys: readonly { readonly name: string; readonly type: ScalarType }[],
  key: readonly ScalarValue[],
): Record<string, JsonValue> {
  return Object.fromEntries(keys.map(({ name, type }, index) => [name, jsonValue(type, key[index] ?? null)]));
}

/**
 * The way back from `jsonValue`, to the same bits; undefined where the JSON value is not of the type. Null is the caller's to judge.
 *
 * @example
 * scalarOfJson({ kind: 'int64' })('9007199254740993'); // 9007199254740993n
 */
export function scalarOfJson(type: ScalarType): Convert {
  // Any text: what a contract refuses of one is no matter here, it was served.
  return type.kind === 'string' ? (raw) => (typeof raw === 'string' ? raw : undefined) : typedReading(type).convert;
}
