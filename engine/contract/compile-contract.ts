import { isUtf8 } from 'node:buffer';
import type { z } from 'zod';
import { MillraceError } from '../errors/millrace-error.ts';
import { columnConversion } from '../values/column-conversions.ts';
import { type ColumnType, parseColumnType } from '../values/column-type.ts';
import type { CompiledContract, DecodeResult, Row } from './compiled-contract.ts';
import { arrayDecoder, type Decoder, memberDecoder, objectDecoder, prefixReasons, scalarDecoder } from './decoder.ts';
import { describeReceived } from '../values/describe-received.ts';
import type { FieldPlan } from './field-plan.ts';
import type { ScalarType } from '../values/field-type.ts';
import { jsonConversion, type TextTrust } from '../values/json-conversions.ts';
import { readSchema } from './read-schema.ts';

/**
 * Compiles a zod object into the decoders of a source.
 *
 * @throws MillraceError `invalid-contract`, whose `details.faults` lists everything that cannot be honoured, by path.
 * @example
 * const contract = compileContract(z.object({ id: z.string(), delay: z.int().nullable() }));
 * contract.decodeJson('{"id":"a","delay":null}'); // { ok: true, row: { id: 'a', delay: null } }
 */
export function compileContract(schema: z.ZodObject): CompiledContract {
  const { plans, faults } = readSchema(schema);
  if (faults.length > 0) {
    const lines = faults.map((fault) => `${fault.path || 'schema'}: ${fault.message}. ${fault.remedy}`);
    throw new MillraceError('invalid-contract', lines.join('\n'), {
      remedy: 'Correct the schema; engine/contract/README.md lists what a contract can say.',
      details: { faults },
    });
  }
  return contractOf(plans);
}

/** The decoders of a contract that was read without faults. */
export function contractOf(plans: readonly FieldPlan[]): CompiledContract {
  const decodeAny = recordDecoder(plans, 'none');
  const decodeStorable = recordDecoder(plans, 'storable');
  return {
    fields: plans.map((plan) => plan.spec),
    decodeValue: decodeAny,
    decodeJson: (json) => {
      let text: string;
      if (typeof json === 'string') text = json;
      else {
        const bytes = Buffer.isBuffer(json) ? json : Buffer.from(json.buffer, json.byteOffset, json.byteLength);
        text = bytes.toString();
        if (text.includes('\uFFFD') && !isUtf8(bytes)) {
          return { ok: false, reasons: ['record: expected JSON in UTF-8, received other bytes'] };
        }
      }
      let value: unknown;
      try {
        value = JSON.parse(text);
      } catch {
        return {
          ok: false,
          reasons: [`record: expected JSON, received ${text === '' ? 'nothing' : describeReceived(text)}`],
        };
      }
      // A NUL or half a surrogate pair can only stand in valid JSON as a \u escape.
      return typeof json !== 'string' && !text.includes('\\u') ? decodeStorable(value) : decodeAny(value);
    },
    columnDecoder: (field, columnType) => columnDecoder(plans, field, columnType),
  };
}

function recordDecoder(plans: readonly FieldPlan[], trust: TextTrust): (value: unknown) => DecodeResult {
  const decodeMembers = memberDecoder(
    plans.map((plan) => [plan.spec.name, jsonDecoder(plan, trust)]),
    '',
  );
  return (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      return { ok: false, reasons: [`record: expected a JSON object, received ${describeReceived(value)}`] };
    }
    const reasons: string[] = [];
    const row = decodeMembers(value as Row, reasons);
    return reasons.length === 0 ? { ok: true, row } : { ok: false, reasons };
  };
}

function jsonDecoder(plan: FieldPlan, trust: TextTrust): Decoder {
  if (plan.item !== null) return arrayDecoder(plan, jsonDecoder(plan.item, trust), false);
  if (plan.members.length > 0) {
    const members = plan.members.map((member) => [member.spec.name, jsonDecoder(member, trust)] as const);
    return objectDecoder(plan, members, false);
  }
  return scalarDecoder(plan, jsonConversion(plan.spec.type as ScalarType, plan.offset, trust), false);
}

function columnDecoder(plans: readonly FieldPlan[], field: string, columnType: string): Decoder {
  const plan = plans.find((candidate) => candidate.spec.name === field);
  if (plan === undefined) {
    throw new MillraceError('unknown-field', `no field "${field}" in the contract`, {
      remedy: `Use one of: ${plans.map((candidate) => candidate.spec.name).join(', ')}.`,
    });
  }
  const decode = nestedColumnDecoder(plan, parseColumnType(columnType));
  if (decode === null) {
    throw new MillraceError(
      'column-type-mismatch',
      `column "${field}": expected ${plan.expected}, but the column's type is ${columnType}`,
      {
        remedy: 'Change the column or the contract; engine/contract/README.md has the table of what becomes what.',
        details: { field, columnType },
      },
    );
  }
  return (raw, reasons) => {
    const before = reasons.length;
    const value = decode(raw, reasons);
    if (reasons.length !== before) prefixReasons(reasons, before, field);
    return value;
  };
}

function nestedColumnDecoder(plan: FieldPlan, column: ColumnType): Decoder | null {
  if (plan.item === null && plan.members.length === 0) {
    const convert = columnConversion(plan.spec.type as ScalarType, column);
    return convert === null ? null : scalarDecoder(plan, convert, true);
  }
  if (column.kind === 'text') return jsonTextDecoder(plan);
  if (plan.item !== null) {
    const item = column.kind === 'list' ? nestedColumnDecoder(plan.item, column.item) : null;
    return item === null ? null : arrayDecoder(plan, item, true);
  }
  if (column.kind !== 'struct') return null;
  const columns = new Map(column.members);
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

/** A list or an object held as JSON text, as in CSV. */
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
