/**
 * The types a contract field, a join key and a feature value can have.
 *
 * What a value of each kind is in TypeScript, in rows, states and results alike:
 * `string`, `enum`: string · `boolean`: boolean · `int`: safe integer number · `int64`: bigint ·
 * `decimal`: canonical string with exactly `scale` fraction digits ("-0.50" style, no "+", no leading zeros, never "-0.00") ·
 * `double`: finite number, never -0 · `timestamp`: number of UTC epoch microseconds (safe integer) · `date`: "YYYY-MM-DD".
 */
export type ScalarType =
  | { readonly kind: 'string' }
  | { readonly kind: 'boolean' }
  | { readonly kind: 'int' }
  | { readonly kind: 'int64' }
  | { readonly kind: 'decimal'; readonly precision: number; readonly scale: number }
  | { readonly kind: 'double' }
  | { readonly kind: 'timestamp' }
  | { readonly kind: 'date' }
  | { readonly kind: 'enum'; readonly values: readonly string[] };

/** A contract field's type: a scalar, or a list or a record of fields (usable by row functions only, never aggregated directly). */
export type FieldType =
  | ScalarType
  | { readonly kind: 'array'; readonly item: FieldSpec }
  | { readonly kind: 'object'; readonly fields: readonly FieldSpec[] };

/** One named field of a contract. `optional` fields that are absent read as `null`. */
export interface FieldSpec {
  readonly name: string;
  readonly type: FieldType;
  readonly nullable: boolean;
  readonly optional: boolean;
}

/** A decoded value of any scalar kind; `null` where the field is nullable or absent. */
export type ScalarValue = string | boolean | number | bigint | null;

/** UTC epoch microseconds, branded so that it is not mixed up with milliseconds or counts. */
export type Micros = number & { readonly __unit: 'epoch-microseconds' };
