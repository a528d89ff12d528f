import { formatDateTime } from '../values/iso-time.ts';
import type { EpochUnit } from '../values/spelling.ts';
import type { FieldPlan } from './field-plan.ts';
import type { FieldValue, Shape } from './row-of.ts';
import type { Micros } from '../values/field-type.ts';

/** A field's value as a program gives it: as rows have it, and a time as a Date or an ISO text, too. */
export type GivenValue<S> = Given<FieldValue<S>>;

type Given<Value> = Value extends Micros
  ? Micros | Date | string
  : Value extends readonly (infer Item)[]
    ? readonly Given<Item>[]
    : Value extends string | number | boolean | bigint | null
      ? Value
      : GivenObject<Value>;

/** What may be null may be left out. */
type GivenObject<Members> = {
  readonly [Name in keyof Members as null extends Members[Name] ? never : Name]: Given<Members[Name]>;
} & {
  readonly [Name in keyof Members as null extends Members[Name] ? Name : never]?: Given<Members[Name]> | undefined;
};

/** The fields of an object as a program gives them. */
export type GivenOf<Members extends Shape> = GivenObject<{
  readonly [Name in keyof Members]: FieldValue<Members[Name]>;
}>;

/** From a value as a program has it to the JSON of it. What is none of the field is left as it is, for the contract to refuse. */
type ToJson = (value: unknown) => unknown;

const PER_MICRO: Readonly<Record<Exclude<EpochUnit, 'ns'>, number>> = { s: 1_000_000, ms: 1_000, us: 1 };

/**
 * The JSON of values as a program has them, so that the contract reads the same values of it: a bigint becomes text, a time an ISO text, or the number
 * in its unit. Fields that the contract does not have are left out.
 *
 * @example
 * jsonGiven(plans)({ at: 0, total: 5n }); // { at: '1970-01-01T00:00:00.000000Z', total: '5' }
 */
export function jsonGiven(plans: readonly FieldPlan[]): (values: Readonly<Record<string, unknown>>) => object {
  const fields = plans.map((plan) => ({ ...plan.spec, toJson: fieldGiven(plan) }));
  return (values) => {
    const json: Record<string, unknown> = {};
    for (const { name, nullable, optional, toJson } of fields) {
      const value = values[name];
      // Rows have null for what may be left out.
      if (value === undefined ? nullable && !optional : value === null) {
        if (!optional) json[name] = null;
      } else if (value !== undefined) json[name] = toJson(value);
    }
    return json;
  };
}

/** The same of one field; null stays null. */
export function fieldGiven(plan: FieldPlan): ToJson {
  if (plan.item !== null) {
    const item = fieldGiven(plan.item);
    return (value) => (Array.isArray(value) ? Array.from(value, item) : value);
  }
  if (plan.members.length > 0) {
    const members = jsonGiven(plan.members);
    return (value) =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? members(value as Readonly<Record<string, unknown>>)
        : value;
  }
  if (plan.spec.type.kind === 'timestamp') return timeGiven(plan.spelling.epoch);
  return (value) => (typeof value === 'bigint' ? String(value) : value);
}

function timeGiven(epoch: EpochUnit | null): ToJson {
  return (value) => {
    const micros = value instanceof Date ? value.getTime() * 1000 : value;
    if (!Number.isSafeInteger(micros)) return micros;
    if (epoch === null) return formatDateTime(micros as number);
    return epoch === 'ns' ? String(BigInt(micros as number) * 1000n) : (micros as number) / PER_MICRO[epoch];
  };
}
