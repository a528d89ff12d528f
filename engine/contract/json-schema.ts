import type { FieldType } from '../values/field-type.ts';
import type { CompiledContract } from './compiled-contract.ts';
import type { StoredField } from './stored-field.ts';

/** A JSON Schema (draft 2020-12), or a part of one. */
export type JsonSchema = { readonly [keyword: string]: unknown };

/**
 * What a contract says as a JSON Schema of its records, for producers in other languages. It never refuses what the contract takes; what no schema can say
 * (a range of int64 texts, rules between fields) is left to the contract.
 *
 * @param about title, and what else is said of the whole
 * @example
 * jsonSchema(source.contract, { title: source.name });
 */
export function jsonSchema({ texts }: Pick<CompiledContract, 'texts'>, about: JsonSchema): JsonSchema {
  const fields = [...(texts ?? new Map<string, string>()).values()].map((text) => JSON.parse(text) as StoredField);
  return { $schema: 'https://json-schema.org/draft/2020-12/schema', ...about, ...objectSchema(fields) };
}

function objectSchema(members: readonly StoredField[]): JsonSchema {
  return {
    type: 'object',
    properties: Object.fromEntries(members.map((field) => [field.name, fieldSchema(field)])),
    required: members.filter(({ optional }) => !optional).map(({ name }) => name),
  };
}

function fieldSchema(field: StoredField): JsonSchema {
  const schema = valueSchema(field);
  return field.nullable ? { anyOf: [schema, { type: 'null' }] } : schema;
}

function valueSchema(field: StoredField): JsonSchema {
  const { item, members, rules, type } = field;
  if (type.kind === 'array')
    return { type: 'array', ...(item === null ? {} : { items: fieldSchema(item) }), ...ruled(rules, 'Items') };
  if (type.kind === 'object') return objectSchema(members);
  return scalarSchema(type, field);
}

function scalarSchema(
  type: Exclude<FieldType, { readonly kind: 'array' | 'object' }>,
  { rules, spelling }: StoredField,
): JsonSchema {
  switch (type.kind) {
    case 'string':
      return { type: 'string', ...ruled(rules, 'Length') };
    case 'boolean':
      return { type: 'boolean' };
    case 'int': {
      const { MIN_SAFE_INTEGER: minimum, MAX_SAFE_INTEGER: maximum } = Number;
      return { type: 'integer', minimum, maximum, ...ruled(rules, 'Length') };
    }
    case 'double':
      // A bound is on the value rounded to 32 bits.
      return spelling.float32 ? { type: 'number' } : { type: 'number', ...ruled(rules, 'Length') };
    case 'int64':
      return { anyOf: [{ type: 'string', pattern: '^-?[0-9]+$' }, { type: 'integer' }] };
    case 'decimal':
      return { type: 'string', pattern: decimalPattern(type.precision, type.scale) };
    case 'date':
      return { type: 'string', format: 'date' };
    case 'enum':
      return { type: 'string', enum: type.values };
    case 'timestamp':
      if (spelling.epoch !== null) return { anyOf: [{ type: 'integer' }, { type: 'string', pattern: '^-?[0-9]+$' }] };
      return spelling.local
        ? { type: 'string', description: 'An ISO datetime; without a zone it is UTC.' }
        : { type: 'string', format: 'date-time' };
  }
}

function decimalPattern(precision: number, scale: number): string {
  const whole = precision === scale ? '0' : `(0|[1-9][0-9]{0,${precision - scale - 1}})`;
  return `^-?${whole}${scale === 0 ? '' : `(\\.[0-9]{1,${scale}})?`}$`;
}

/** Rules of a field as keywords; those that no keyword says are left out. */
function ruled(rules: readonly string[], size: 'Items' | 'Length'): JsonSchema {
  const keywords: Record<string, unknown> = {};
  const patterns: string[] = [];
  for (const rule of rules) {
    const end = rule.indexOf(' ');
    const name = rule.slice(0, end);
    const rest = rule.slice(end + 1);
    if (name === 'greater_than' || name === 'less_than') {
      const bound = Number(rest.replace('or equal ', ''));
      const isLow = name === 'greater_than';
      const keyword = `${rest.startsWith('or equal ') ? '' : 'exclusive'}${isLow ? 'Minimum' : 'Maximum'}`;
      narrow(keywords, keyword.charAt(0).toLowerCase() + keyword.slice(1), bound, isLow);
    } else if (name === 'min_length') narrow(keywords, `min${size}`, Number(rest), true);
    else if (name === 'max_length') narrow(keywords, `max${size}`, Number(rest), false);
    else if (name === 'length_equals') {
      narrow(keywords, `min${size}`, Number(rest), true);
      narrow(keywords, `max${size}`, Number(rest), false);
    } else if (name === 'starts_with') patterns.push(`^${escaped(JSON.parse(rest) as string)}`);
    else if (name === 'ends_with') patterns.push(`${escaped(JSON.parse(rest) as string)}$`);
    else if (name === 'regex' && rest.endsWith('/')) patterns.push(rest.slice(1, -1));
  }
  const [first, ...more] = patterns;
  if (first !== undefined) keywords['pattern'] = first;
  if (more.length > 0) keywords['allOf'] = more.map((pattern) => ({ type: 'string', pattern }));
  return keywords;
}

/** Of several bounds on one side the narrowest counts. */
function narrow(keywords: Record<string, unknown>, keyword: string, bound: number, isLow: boolean): void {
  const known = keywords[keyword] as number | undefined;
  keywords[keyword] = known === undefined ? bound : isLow ? Math.max(known, bound) : Math.min(known, bound);
}

function escaped(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`);
}
