import { internalBug } from '../errors/millrace-error.ts';
import type { ScalarType } from '../values/field-type.ts';
import { isScalarType, type ResultType } from '../values/result-type.ts';

/** The text of a value of a scalar type's column, as `jsonValue` has it for a key: a SQL expression. */
export function jsonText(type: ScalarType, expression: string): string {
  switch (type.kind) {
    case 'timestamp':
      return `to_char((${expression}) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
    case 'date':
      // Postgres calls the year 0 another year.
      return `CASE WHEN (${expression}) < date '0001-01-01' THEN '0000' ELSE to_char(${expression}, 'YYYY') END || to_char(${expression}, '-MM-DD')`;
    case 'string':
    case 'enum':
      return expression;
    case 'boolean':
    case 'int':
    case 'int64':
    case 'decimal':
    case 'double':
      return `(${expression})::text`;
  }
}

/** A feature's column value as jsonb, as JSON has it everywhere (design §5): a SQL expression, null where the value is. */
export function jsonbOf(type: ResultType, expression: string): string {
  if (type.kind === 'list') {
    if (!isScalarType(type.item)) return expression;
    const item = jsonbOf(type.item, 'u.x');
    return `(CASE WHEN (${expression}) IS NOT NULL THEN (SELECT coalesce(jsonb_agg(${item} ORDER BY u.n), '[]'::jsonb) FROM unnest(${expression}) WITH ORDINALITY u(x, n)) END)`;
  }
  if (!isScalarType(type)) return expression;
  switch (type.kind) {
    case 'boolean':
    case 'double':
      return `to_jsonb(${expression})`;
    case 'int':
      return `to_jsonb((${expression})::bigint)`;
    case 'string':
    case 'enum':
    case 'int64':
    case 'decimal':
    case 'timestamp':
    case 'date':
      return `to_jsonb(${jsonText(type, expression)})`;
    default:
      throw internalBug('a type that JSON does not know');
  }
}
