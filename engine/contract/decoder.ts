import { type Reading, refusal } from '../values/convert.ts';
import { describeReceived } from '../values/describe-received.ts';
import type { Row } from './compiled-contract.ts';
import type { FieldPlan } from './field-plan.ts';

/** Turns a raw value into a row value, or pushes a reason that begins where its path is to be put: ": expected …". */
export type Decoder = (raw: unknown, reasons: string[]) => unknown;

/** The refusal of what is no value at all for a list or an object. */
function refuse(plan: FieldPlan, raw: unknown, reasons: string[]): undefined {
  reasons.push(`: expected ${plan.expected}, received ${describeReceived(raw)}`);
  return undefined;
}

/** Puts `path` before the reasons that were pushed since there were `from`. */
export function prefixReasons(reasons: string[], from: number, path: string): void {
  for (let index = from; index < reasons.length; index += 1) reasons[index] = `${path}${reasons[index]}`;
}

function refuseValue(plan: FieldPlan, reading: Reading, raw: unknown, reasons: string[]): undefined {
  reasons.push(`: ${refusal(reading, raw, plan.expected)}`);
  return undefined;
}

/**
 * The decoder of one field over a reading. In columns a missing optional value is NULL too, so `nullMeansAbsent` lets an
 * optional field be null there; in JSON the two differ.
 */
export function scalarDecoder(plan: FieldPlan, reading: Reading, nullMeansAbsent: boolean): Decoder {
  const { convert } = reading;
  const accepts = plan.accepts as ((value: unknown) => boolean) | null;
  const { nullable, optional } = plan.spec;
  const nullAllowed = nullable || (nullMeansAbsent && optional);
  if (accepts === null) {
    return (raw, reasons) => {
      if (raw === null ? nullAllowed : raw === undefined && optional) return null;
      const value = convert(raw);
      return value === undefined ? refuseValue(plan, reading, raw, reasons) : value;
    };
  }
  return (raw, reasons) => {
    if (raw === null ? nullAllowed : raw === undefined && optional) return null;
    const value = convert(raw);
    return value === undefined || !accepts(value) ? refuseValue(plan, reading, raw, reasons) : value;
  };
}

/** The decoder of a list whose items `item` decodes. */
export function arrayDecoder(plan: FieldPlan, item: Decoder, nullMeansAbsent: boolean): Decoder {
  const accepts = plan.accepts as ((value: readonly unknown[]) => boolean) | null;
  const { nullable, optional } = plan.spec;
  const nullAllowed = nullable || (nullMeansAbsent && optional);
  return (raw, reasons) => {
    if (raw === null ? nullAllowed : raw === undefined && optional) return null;
    if (!Array.isArray(raw) || (accepts !== null && !accepts(raw))) return refuse(plan, raw, reasons);
    const items: unknown[] = [];
    for (let index = 0; index < raw.length; index += 1) {
      const before = reasons.length;
      items.push(item(raw[index], reasons));
      if (reasons.length !== before) prefixReasons(reasons, before, `[${index}]`);
    }
    return items;
  };
}

/** The decoder of an object: its fields and nothing else, whatever else the value has. */
export function objectDecoder(
  plan: FieldPlan,
  members: readonly (readonly [string, Decoder])[],
  nullMeansAbsent: boolean,
): Decoder {
  const { nullable, optional } = plan.spec;
  const nullAllowed = nullable || (nullMeansAbsent && optional);
  const decode = memberDecoder(members, '.');
  return (raw, reasons) => {
    if (raw === null ? nullAllowed : raw === undefined && optional) return null;
    if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return refuse(plan, raw, reasons);
    return decode(raw as Readonly<Record<string, unknown>>, reasons);
  };
}

/** Decodes the fields of an object into a new one with exactly those, in order, so that all rows have one hidden class. */
export function memberDecoder(
  members: readonly (readonly [string, Decoder])[],
  separator: string,
): (value: Readonly<Record<string, unknown>>, reasons: string[]) => Row {
  const names = members.map(([name]) => name);
  const decoders = members.map(([, decoder]) => decoder);
  const template: Record<string, unknown> = {};
  for (const name of names) template[name] = null;
  return (value, reasons) => {
    const row = { ...template };
    for (let index = 0; index < names.length; index += 1) {
      const name = names[index] as string;
      const raw = value[name];
      if (raw === undefined) {
        const other = inAnotherCase(value, name);
        if (other !== null) {
          reasons.push(
            `${separator}${name}: expected a field "${name}", received "${other}": names are matched to the letter`,
          );
          continue;
        }
      }
      const before = reasons.length;
      row[name] = (decoders[index] as Decoder)(raw, reasons);
      if (reasons.length !== before) prefixReasons(reasons, before, `${separator}${name}`);
    }
    return row;
  };
}

/** The name under which a value has a field whose exact name is missing: one that differs in case alone. */
function inAnotherCase(value: Readonly<Record<string, unknown>>, name: string): string | null {
  if (Object.hasOwn(value, name)) return null;
  // Comparing lengths first keeps this cheap where optional fields are missing from most records.
  for (const other in value) {
    if (other.length === name.length && other !== name && other.toLowerCase() === name.toLowerCase()) return other;
  }
  return null;
}
