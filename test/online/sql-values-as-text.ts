import type { ScalarType, ScalarValue } from '../../engine/values/field-type.ts';

/** The SQL expression that shows a value of a type without losing a bit. */
export function exactText(type: ScalarType, expression: string): string {
  switch (type.kind) {
    case 'double':
      return `encode(float8send(${expression}), 'hex')`;
    case 'timestamp':
      return `((extract(epoch FROM ${expression}) * 1000000)::bigint)::text`;
    case 'date':
      return `(${expression} - date '1970-01-01')::text`;
    case 'string':
    case 'enum':
      return expression;
    case 'boolean':
    case 'int':
    case 'int64':
    case 'decimal':
      return `(${expression})::text`;
  }
}

/** What `exactText` shows for the engine's value. */
export function expectedText(type: ScalarType, value: ScalarValue): string | null {
  if (value === null) return null;
  switch (type.kind) {
    case 'double': {
      const bytes = Buffer.alloc(8);
      bytes.writeDoubleBE(value as number);
      return bytes.toString('hex');
    }
    case 'date':
      return String(Date.parse(value as string) / 86_400_000);
    case 'boolean':
    case 'string':
    case 'enum':
    case 'int':
    case 'int64':
    case 'decimal':
    case 'timestamp':
      return String(value);
  }
}
