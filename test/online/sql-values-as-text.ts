import { carriedJson, openedValue } from '../../engine/values/composite-text.ts';
import type { ScalarValue } from '../../engine/values/field-type.ts';
import { parseJson } from '../../engine/values/parse-json.ts';
import type { ResultType } from '../../engine/values/result-type.ts';

/** The SQL expression that shows a value of a type without losing a bit. */
export function exactText(type: ResultType, expression: string): string {
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
    case 'map':
      return `(${expression})::text`;
    case 'list':
      return `(SELECT '[' || coalesce(string_agg(to_json(${exactText(type.item, 'u.x')})::text, ',' ORDER BY u.n), '') || ']' FROM unnest(${expression}) WITH ORDINALITY u(x, n) WHERE ${expression} IS NOT NULL HAVING ${expression} IS NOT NULL)`;
  }
}

/** What `exactText` shows for the engine's value; of a map its canonical text, which jsonb spells otherwise. */
export function expectedText(type: ResultType, value: ScalarValue): string | null {
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
    case 'list': {
      const items = openedValue(type)(value) as readonly ScalarValue[];
      return `[${items.map((item) => JSON.stringify(expectedText(type.item, item))).join(',')}]`;
    }
    case 'map':
      return value as string;
  }
}

/** What is read of what `exactText` gave; jsonb has an order and a spelling of its own. */
export function asCarried(type: ResultType, text: string | null): string | null {
  return type.kind === 'map' && text !== null ? String(carriedJson(type)(parseJson(text))) : text;
}
