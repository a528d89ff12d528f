import { isUtf8 } from 'node:buffer';
import { binaryText } from '../values/binary-text.ts';
import { describeReceived } from '../values/describe-received.ts';
import type { ScalarType } from '../values/field-type.ts';
import type { TextTrust } from '../values/plain-readings.ts';
import { typedReading } from '../values/typed-reading.ts';
import type { CompiledContract, DecodeResult, Row } from './compiled-contract.ts';
import { arrayDecoder, type Decoder, memberDecoder, objectDecoder, scalarDecoder } from './decoder.ts';
import type { FieldPlan } from './field-plan.ts';
import { numbersAsWritten } from './numbers-as-written.ts';
import { encodingFault, envelopeFault, framingFault, jsonFault, withNonFinite } from './json-fault.ts';

/** A tab: what JSON begins with is no byte below it. */
const FIRST_OF_JSON = 9;

/** The decoders of JSON records: of a parsed value, and of a text. */
export function jsonDecoders(plans: readonly FieldPlan[]): Pick<CompiledContract, 'decodeValue' | 'decodeJson'> {
  const decodeAny = recordDecoder(plans, 'none');
  const decodeStorable = recordDecoder(plans, 'storable');
  return {
    decodeValue: decodeAny,
    decodeJson: (json) => {
      let text: string;
      let bytes: Buffer | null = null;
      if (typeof json === 'string') text = json;
      else {
        bytes = Buffer.isBuffer(json) ? json : Buffer.from(json.buffer, json.byteOffset, json.byteLength);
        if ((bytes[0] as number) < FIRST_OF_JSON) return { ok: false, reasons: [framingFault(bytes)] };
        text = bytes.toString();
        if (text.includes('\uFFFD') && !isUtf8(bytes)) return { ok: false, reasons: [encodingFault(bytes)] };
      }
      let value: unknown;
      try {
        value = JSON.parse(text);
      } catch {
        return refused(text, bytes, decodeAny);
      }
      // A NUL or half a surrogate pair can only stand in valid JSON as a \u escape.
      const decoded = typeof json !== 'string' && !text.includes('\\u') ? decodeStorable(value) : decodeAny(value);
      return decoded.ok ? decoded : { ok: false, reasons: numbersAsWritten(text, decoded.reasons) };
    },
  };
}

/** Why a text that is no JSON is refused: for the fields that hold NaN or Infinity, if that is all, else for the place of the fault. */
function refused(text: string, bytes: Buffer | null, decode: (value: unknown) => DecodeResult): DecodeResult {
  if (bytes !== null && binaryText(bytes) !== null) return { ok: false, reasons: [encodingFault(bytes)] };
  const value = withNonFinite(text);
  const decoded = value === undefined ? null : decode(value);
  if (decoded !== null && !decoded.ok) return decoded;
  return { ok: false, reasons: [`record: expected JSON, ${jsonFault(text)}`] };
}

function recordDecoder(plans: readonly FieldPlan[], trust: TextTrust): (value: unknown) => DecodeResult {
  const names = new Set(plans.map(({ spec }) => spec.name));
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
    if (reasons.length === 0) return { ok: true, row };
    const envelope = envelopeFault(value as Row, names);
    return { ok: false, reasons: envelope === null ? reasons : [envelope, ...reasons] };
  };
}

/** The decoder of a field in parsed JSON. */
export function jsonDecoder(plan: FieldPlan, trust: TextTrust): Decoder {
  if (plan.item !== null) return arrayDecoder(plan, jsonDecoder(plan.item, trust), false);
  if (plan.members.length > 0) {
    const members = plan.members.map((member) => [member.spec.name, jsonDecoder(member, trust)] as const);
    return objectDecoder(plan, members, false);
  }
  return scalarDecoder(plan, typedReading(plan.spec.type as ScalarType, plan.spelling, trust), false);
}
