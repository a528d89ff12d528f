import { MillraceError } from '../errors/millrace-error.ts';
import { type ColumnType, parseColumnType } from '../values/column-type.ts';
import { describeReceived } from '../values/describe-received.ts';
import type { ScalarType } from '../values/field-type.ts';
import { textReading } from '../values/text-reading.ts';
import { columnReading, formAdvice } from '../values/typed-reading.ts';
import type { ColumnDecoder } from './compiled-contract.ts';
import { arrayDecoder, type Decoder, objectDecoder, prefixReasons, scalarDecoder } from './decoder.ts';
import type { FieldPlan } from './field-plan.ts';
import { jsonDecoder } from './json-decoder.ts';

/** Where in a column a type stands that cannot be the field's: of a list's items or an object's members, the innermost. */
interface Mismatch {
  /** Below the column: "[]", ".price"; '' for the column itself. */
  readonly path: string;
  readonly plan: FieldPlan;
  /** Null where an object's column has no such member. */
  readonly form: ColumnType | null;
}

type Nested = Decoder | Mismatch;

/** The decoder of a typed column. Throws MillraceError `column-type-mismatch`. */
export function columnDecoder(plan: FieldPlan, columnType: string): ColumnDecoder {
  const decode = nestedColumnDecoder(plan, parseColumnType(columnType), '');
  if (typeof decode === 'function') return named(plan, decode);
  const { name } = plan.spec;
  const { path, plan: inner, form } = decode;
  const { type } = inner.spec;
  const place = path === '' ? '' : `, in ${name}${path}`;
  const isNested = type.kind === 'array' || type.kind === 'object';
  throw new MillraceError(
    'column-type-mismatch',
    `column "${name}"${place}: expected ${inner.expected}, but the column's type is ${columnType}`,
    {
      remedy: form === null || isNested ? NESTED_REMEDY : formAdvice(type, form, inner.spelling),
      details: { field: name, columnType },
    },
  );
}

const NESTED_REMEDY = 'Change the column or the contract; docs/values.md says what becomes what.';

/** A decoder whose reasons begin with the field's name. */
function named(plan: FieldPlan, decode: Decoder): ColumnDecoder {
  const { name } = plan.spec;
  return (raw, reasons) => {
    const before = reasons.length;
    const value = decode(raw, reasons);
    if (reasons.length !== before) prefixReasons(reasons, before, name);
    return value;
  };
}

function nestedColumnDecoder(plan: FieldPlan, form: ColumnType, path: string): Nested {
  if (plan.item === null && plan.members.length === 0) {
    const reading = columnReading(plan.spec.type as ScalarType, form, plan.spelling);
    return reading === null ? { path, plan, form } : scalarDecoder(plan, reading, true);
  }
  if (form.kind === 'json') return jsonTextDecoder(plan);
  if (plan.item !== null) {
    if (form.kind !== 'list') return { path, plan, form };
    const item = nestedColumnDecoder(plan.item, form.item, `${path}[]`);
    return typeof item === 'function' ? arrayDecoder(plan, item, true) : item;
  }
  if (form.kind !== 'struct') return { path, plan, form };
  const columns = new Map(form.members);
  const names = [...columns.keys()];
  const members: [string, Decoder][] = [];
  for (const member of plan.members) {
    const { name, optional } = member.spec;
    const memberColumn = columns.get(name);
    const isAlike = (other: string): boolean => other.toLowerCase() === name.toLowerCase();
    const isAbsent = memberColumn === undefined && optional && !names.some(isAlike);
    const at = `${path}.${name}`;
    if (memberColumn === undefined && !isAbsent) return { path: at, plan: member, form: null };
    const decode = memberColumn === undefined ? () => null : nestedColumnDecoder(member, memberColumn, at);
    if (typeof decode !== 'function') return decode;
    members.push([name, decode]);
  }
  return objectDecoder(plan, members, true);
}

/** The decoder of a column of text. */
export function textDecoder(plan: FieldPlan): ColumnDecoder {
  return named(plan, fieldTextDecoder(plan));
}

function fieldTextDecoder(plan: FieldPlan): Decoder {
  if (plan.item !== null || plan.members.length > 0) return jsonTextDecoder(plan);
  return scalarDecoder(plan, textReading(plan.spec.type as ScalarType, plan.spelling), true);
}

/** A list or an object held as JSON text. */
function jsonTextDecoder(plan: FieldPlan): Decoder {
  const decode = jsonDecoder(plan, 'none');
  const nullAllowed = plan.spec.nullable || plan.spec.optional;
  return (raw, reasons) => {
    if (raw === null && nullAllowed) return null;
    try {
      return decode(typeof raw === 'string' ? JSON.parse(raw) : raw, reasons);
    } catch {
      reasons.push(`: expected ${plan.expected} as JSON, received ${describeReceived(raw)}`);
      return undefined;
    }
  };
}
