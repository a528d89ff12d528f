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

/** The decoder of a typed column. Throws MillraceError `column-type-mismatch`. */
export function columnDecoder(plan: FieldPlan, columnType: string): ColumnDecoder {
  const form = parseColumnType(columnType);
  const decode = nestedColumnDecoder(plan, form);
  if (decode !== null) return named(plan, decode);
  const { name, type } = plan.spec;
  throw new MillraceError(
    'column-type-mismatch',
    `column "${name}": expected ${plan.expected}, but the column's type is ${columnType}`,
    {
      remedy:
        type.kind === 'array' || type.kind === 'object'
          ? 'Change the column or the contract; docs/values.md says what becomes what.'
          : formAdvice(type, form, plan.spelling),
      details: { field: name, columnType },
    },
  );
}

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

function nestedColumnDecoder(plan: FieldPlan, form: ColumnType): Decoder | null {
  if (plan.item === null && plan.members.length === 0) {
    const reading = columnReading(plan.spec.type as ScalarType, form, plan.spelling);
    return reading === null ? null : scalarDecoder(plan, reading, true);
  }
  if (form.kind === 'json') return jsonTextDecoder(plan);
  if (plan.item !== null) {
    const item = form.kind === 'list' ? nestedColumnDecoder(plan.item, form.item) : null;
    return item === null ? null : arrayDecoder(plan, item, true);
  }
  if (form.kind !== 'struct') return null;
  const columns = new Map(form.members);
  const members: [string, Decoder][] = [];
  for (const member of plan.members) {
    const { name, optional } = member.spec;
    const memberColumn = columns.get(name);
    const decode =
      memberColumn === undefined ? (optional ? () => null : null) : nestedColumnDecoder(member, memberColumn);
    if (decode === null) return null;
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
