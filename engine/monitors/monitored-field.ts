import type { CompiledSource } from '../define/compiled-view.ts';
import { murmur, valueHash } from '../reduce/value-hash.ts';
import { scaledOfDecimal } from '../values/decimal-text.ts';
import type { FieldSpec, ScalarType, ScalarValue } from '../values/field-type.ts';

/**
 * How a field's values are looked at: as doubles, as whole numbers (decimals are those of their scale), as texts, or for nulls alone (lists, objects, times,
 * and ids that are another each time).
 */
export type ValueKind = 'double' | 'whole' | 'text' | 'plain';

/** A field that is monitored. */
export interface MonitoredField {
  readonly name: string;
  readonly kind: ValueKind;
  /** Of decimals, else 0. */
  readonly scale: number;
  /** Null for `plain`. */
  readonly entryOf: ((value: NonNullable<ScalarValue>) => ValueEntry) | null;
}

/** A value as a state takes it, made once for all records that have it. */
export interface ValueEntry {
  /** Of numbers: what is summed, and the double that the sketch goes by. */
  readonly number: number | bigint;
  readonly double: number;
  /** Of texts, cut; null where it is not to be shown. */
  readonly text: string | null;
  /** Orders values without regard to what they are. */
  readonly hash: number;
}

/** A text is told by so much of it. */
const MOST_TEXT = 100;

/**
 * The fields of a source that are monitored, all of its contract: in order.
 *
 * @example
 * monitoredFields(source).map(({ name, kind }) => [name, kind]); // [['flight_id', 'plain'], ['delay', 'whole'], …]
 */
export function monitoredFields(source: CompiledSource): MonitoredField[] {
  const hidden = new Set(source.sensitive);
  return source.contract.fields.map((field) => {
    const { name } = field;
    const isId = name === source.eventIdField || name === source.eventTimeField;
    return monitoredField(field, isId, hidden.has(name));
  });
}

export function monitoredField({ name, type }: FieldSpec, isId: boolean, isHidden: boolean): MonitoredField {
  const plain: MonitoredField = { name, kind: 'plain', scale: 0, entryOf: null };
  if (isId) return plain;
  switch (type.kind) {
    case 'array':
    case 'object':
    case 'timestamp':
      return plain;
    case 'double':
      return { name, kind: 'double', scale: 0, entryOf: (value) => numberEntry(value as number, value as number) };
    case 'int':
      return { name, kind: 'whole', scale: 0, entryOf: (value) => numberEntry(value as number, value as number) };
    case 'int64':
      return { name, kind: 'whole', scale: 0, entryOf: (value) => numberEntry(value as bigint, Number(value)) };
    case 'decimal': {
      const { scale } = type;
      return {
        name,
        kind: 'whole',
        scale,
        entryOf: (value) => numberEntry(scaledOfDecimal(value as string), Number(value)),
      };
    }
    default:
      return { name, kind: 'text', scale: 0, entryOf: textEntries(type, isHidden) };
  }
}

const bytes = Buffer.alloc(8);

/** Values of one double count as one. */
function numberEntry(number: number | bigint, double: number): ValueEntry {
  bytes.writeDoubleBE(double + 0);
  return { number, double, text: null, hash: hashOf(bytes) };
}

function textEntries(type: ScalarType, isHidden: boolean): (value: NonNullable<ScalarValue>) => ValueEntry {
  const hash = valueHash(type);
  return (value) => ({ number: 0, double: 0, text: isHidden ? null : shownText(value), hash: hash(value) });
}

/** A value as segments and top values name it: cut after 100 characters. */
export function shownText(value: NonNullable<ScalarValue>): string {
  const text = `${value}`;
  return text.length <= MOST_TEXT ? text : `${text.slice(0, MOST_TEXT).toWellFormed()}…`;
}

/** The hash of a text: what is kept of too many goes by it. */
export function textHash(text: string): number {
  return hashOf(Buffer.from(text, 'utf8'));
}

function hashOf(of: Uint8Array): number {
  const [first, second] = murmur(of);
  return first * 0x200000 + (second >>> 11);
}
