import { describeReceived } from '../values/describe-received.ts';
import type { ScalarType, ScalarValue } from '../values/field-type.ts';
import { nameOfType } from '../values/type-name.ts';
import { rowValueConversion } from '../values/row-value-conversions.ts';
import type { SlotPlan } from './build-layout.ts';
import type { CompiledView, PrepareOutcome, Row } from './compiled-view.ts';
import type { RowFunction } from './feature.ts';
import { keyText } from './key-text.ts';
import { slotInputs } from './slot-inputs.ts';

/** What Postgres can index is 2,704 bytes a row; the rest is room for its headers and for the alignment of compound keys. */
export const MAX_KEY_BYTES = 2_000;
/** A text of this length has at most `MAX_KEY_BYTES` of UTF-8: no need to count. */
const SURELY_SHORT = Math.floor(MAX_KEY_BYTES / 3);
/** The text of a number, an int64 or a boolean, and the NUL before it, has fewer characters. */
const LONGEST_OTHER = 32;

type AnyRowFunction = (row: Row) => unknown;

/** Reads one value of a row; pushes a reason where a row function fails. */
export type RowReader = (row: Row, reasons: string[]) => ScalarValue;

/** The join keys of a row, in `into` where given: null where the row belongs to no entity, or undefined after pushing a reason. */
export type KeyReader = (row: Row, reasons: string[], into?: ScalarValue[]) => ScalarValue[] | null | undefined;

/** A row function over its declared type. `label` names it in reasons: `features.late_share_7d`. */
export function functionReader(label: string, input: RowFunction, type: ScalarType): RowReader {
  const evaluate = input as AnyRowFunction;
  const convert = rowValueConversion(type);
  return (row, reasons) => {
    let result: unknown;
    try {
      result = evaluate(row);
    } catch (cause) {
      reasons.push(`${label}: the row function threw ${describeThrown(cause)}`);
      return null;
    }
    if (result === null) return null;
    const value = convert(result);
    if (value !== undefined) return value as ScalarValue;
    reasons.push(
      `${label}: expected ${nameOfType(type)} or null from the row function, received ${describeReceived(result)}`,
    );
    return null;
  };
}

/** What was thrown, on one line. */
export function describeThrown(cause: unknown): string {
  const text = cause instanceof Error ? `${cause.name}: ${cause.message}` : describeReceived(cause);
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

/** Join keys from the same-named fields, or from a key function. */
export function keyReader(
  keys: readonly { readonly name: string; readonly type: ScalarType }[],
  key: RowFunction | null,
): KeyReader {
  const names = keys.map(({ name }) => name);
  if (key === null) {
    return (row, _, into = []) => {
      for (let index = 0; index < names.length; index += 1) {
        const value = row[names[index] as string] as ScalarValue;
        if (value === null) return null;
        into[index] = value;
      }
      return into;
    };
  }
  const evaluate = key as AnyRowFunction;
  const converts = keys.map(({ type }) => rowValueConversion(type));
  return (row, reasons, into = []) => {
    let result: unknown;
    try {
      result = evaluate(row);
    } catch (cause) {
      reasons.push(`key: the row function threw ${describeThrown(cause)}`);
      return undefined;
    }
    if (typeof result !== 'object' || result === null) {
      reasons.push(`key: expected an object with ${names.join(', ')}, received ${describeReceived(result)}`);
      return undefined;
    }
    let missing = false;
    for (let index = 0; index < names.length; index += 1) {
      const raw = (result as Row)[names[index] as string];
      const value = raw === null ? null : converts[index]?.(raw);
      if (value === undefined) {
        reasons.push(
          `key.${names[index]}: expected ${nameOfType(keys[index]!.type)} or null, received ${describeReceived(raw)}`,
        );
        return undefined;
      }
      missing ||= value === null;
      into[index] = value as ScalarValue;
    }
    return missing ? null : into;
  };
}

/** A `where` as a predicate that pushes a reason where it fails. `label` names it there: `where`, `features.late_share_7d.where`. */
export function whereReader(where: RowFunction, label: string): (row: Row, reasons: string[]) => boolean {
  const evaluate = where as AnyRowFunction;
  return (row, reasons) => {
    try {
      const result = evaluate(row);
      if (typeof result === 'boolean') return result;
      reasons.push(`${label}: expected true or false from the row function, received ${describeReceived(result)}`);
    } catch (cause) {
      reasons.push(`${label}: the row function threw ${describeThrown(cause)}`);
    }
    return false;
  };
}

/** One distinct input, and where among an event's inputs it goes. */
interface InputStep {
  readonly read: RowReader;
  readonly indexes: number[];
}

/** The hot path of a view: where → key → slot inputs. Each row function runs once per event, however many slots it feeds. */
export function createPrepare(
  where: RowFunction | null,
  readKey: KeyReader,
  slots: readonly SlotPlan[],
): CompiledView['prepare'] {
  const keeps = where === null ? null : whereReader(where, 'where');
  const conditions = conditionsOf(slots);
  const steps = inputSteps(slots, conditions);
  const needed = slotInputs(slots).flatMap(({ slot, role }, index) => (role === 'value' ? [] : [{ slot, index }]));
  const inputCount = slots.length + needed.length;
  // One list for all events: almost none has anything to say.
  const reasons: string[] = [];
  return (event, out): PrepareOutcome => {
    const { row } = event;
    if (reasons.length > 0) reasons.length = 0;
    if (keeps !== null && !keeps(row, reasons)) return reasons.length === 0 ? 'filtered' : { invalid: [...reasons] };
    const inPlace = out.keyInPlace === true;
    const key = readKey(row, reasons, inPlace ? (out.key as ScalarValue[]) : []);
    if (key === undefined) return { invalid: [...reasons] };
    if (key === null) return 'null-key';
    const { inputs } = out;
    // Setting it, even to what it is, costs more than all the reading below.
    if (inputs.length !== inputCount) inputs.length = inputCount;
    for (let index = 0; index < conditions.length; index += 1) {
      const condition = conditions[index] as Condition;
      condition.holds = condition.keeps(row, reasons);
    }
    for (let index = 0; index < steps.length; index += 1) {
      const { read, indexes } = steps[index] as InputStep;
      const value = read(row, reasons);
      for (let at = 0; at < indexes.length; at += 1) inputs[indexes[at] as number] = value;
    }
    // Without a y there is nothing to order by, and without a category no place: the slot skips the event.
    for (let at = 0; at < needed.length; at += 1) {
      const { slot, index } = needed[at] as { slot: number; index: number };
      if (inputs[index] === null) inputs[slot] = null;
    }
    if (reasons.length > 0) return { invalid: [...reasons] };
    if (!inPlace) {
      out.key = key;
      out.keyText = keyText(key);
    }
    if (mayBeLong(key)) {
      const text = keyText(key);
      if (Buffer.byteLength(text) > MAX_KEY_BYTES) return { invalid: [tooLong(text)] };
    }
    out.eventTimeUs = event.eventTimeUs;
    out.id = event.id;
    out.partition = event.partition;
    out.offset = event.offset;
    return 'ok';
  };
}

/** False where a key's text surely has at most `MAX_KEY_BYTES`. */
function mayBeLong(key: readonly ScalarValue[]): boolean {
  let length = 0;
  for (let index = 0; index < key.length; index += 1) {
    const value = key[index] as ScalarValue;
    length += typeof value === 'string' ? value.length + 1 : LONGEST_OTHER;
  }
  return length > SURELY_SHORT;
}

function tooLong(text: string): string {
  return `key: expected join keys of at most ${MAX_KEY_BYTES} bytes, received ${Buffer.byteLength(text)}: ${describeReceived(text)}`;
}

/** A feature's own `where`, and whether it is true of the row at hand. */
interface Condition {
  readonly of: RowFunction;
  readonly keeps: (row: Row, reasons: string[]) => boolean;
  holds: boolean;
}

/** Each once, however many features have it. */
function conditionsOf(slots: readonly SlotPlan[]): Condition[] {
  const conditions: Condition[] = [];
  for (const { plan } of slots) {
    const { condition, name } = plan;
    if (condition === null || conditions.some(({ of }) => of === condition)) continue;
    conditions.push({ of: condition, keeps: whereReader(condition, `features.${name}.where`), holds: false });
  }
  return conditions;
}

function inputSteps(slots: readonly SlotPlan[], conditions: readonly Condition[]): InputStep[] {
  const steps: { from: string | RowFunction | null; type: string; condition: RowFunction | null; step: InputStep }[] =
    [];
  slotInputs(slots).forEach((input, index) => {
    const { plan } = slots[input.slot] as SlotPlan;
    const from = { value: plan.input, order: plan.order, category: plan.by }[input.role]?.from ?? null;
    const type = JSON.stringify(input.type);
    const { condition } = plan;
    const known = steps.find((each) => each.from === from && each.type === type && each.condition === condition);
    if (known !== undefined) {
      known.step.indexes.push(index);
      return;
    }
    const read = inputReader(
      from,
      input.type,
      `features.${plan.name}${{ value: '', order: '.order', category: '.by' }[input.role]}`,
    );
    const held = conditions.find(({ of }) => of === condition);
    steps.push({
      from,
      type,
      condition,
      step: { read: held === undefined ? read : readUnder(held, read), indexes: [index] },
    });
  });
  return steps.map(({ step }) => step);
}

/** Null, and not read at all, where the condition does not hold. */
function readUnder(condition: Condition, read: RowReader): RowReader {
  return (row, reasons) => (condition.holds ? read(row, reasons) : null);
}

function inputReader(from: string | RowFunction | null, type: ScalarType | null, label: string): RowReader {
  if (from === null || type === null) return () => true;
  if (typeof from === 'function') return functionReader(label, from, type);
  return (row) => row[from] as ScalarValue;
}
