import { internalBug } from '../errors/millrace-error.ts';
import { comparisonOf } from './compare.ts';
import { describeReceived } from './describe-received.ts';
import type { ScalarType, ScalarValue } from './field-type.ts';
import { jsonValue, type JsonTree, scalarOfJson } from './json-values.ts';
import { type ListType, type MapType, type ResultType, isScalarType } from './result-type.ts';
import { parseJson } from './parse-json.ts';
import { rowValueConversion } from './row-value-conversions.ts';
import { textReading } from './text-reading.ts';

/** A feature's value as TypeScript has it: a list is an array, a map a record without a prototype. */
export type OpenedValue = ScalarValue | readonly OpenedValue[] | { readonly [key: string]: OpenedValue };

/**
 * The canonical JSON text of an element: of a scalar what `jsonValue` says, without a space; a list or a map is its own text already.
 */
export function elementText(type: ResultType): (value: ScalarValue) => string {
  if (!isScalarType(type)) return (value) => (value === null ? 'null' : (value as string));
  switch (type.kind) {
    case 'int':
    case 'double':
    case 'boolean':
      return String;
    default:
      return (value) => JSON.stringify(jsonValue(type, value));
  }
}

/**
 * The canonical text of a list, of its elements in their order.
 *
 * @example
 * listText({ kind: 'list', item: { kind: 'int64' } })([1n, 2n]); // '["1","2"]'
 */
export function listText({ item }: ListType): (values: readonly ScalarValue[]) => string {
  const text = elementText(item);
  return (values) => `[${values.map(text).join(',')}]`;
}

/** A key as text, as TypeScript and JSON have it. */
export function mapKeyText(type: ScalarType): (key: NonNullable<ScalarValue>) => string {
  return (key) => String(jsonValue(type, key));
}

/**
 * The canonical text of a map; `keys` ascend in the order of their type, and have `values` beside them.
 *
 * @example
 * mapText({ kind: 'map', key: { kind: 'string' }, value: { kind: 'int' } })(['a', 'b'], [1, 2]); // '{"a":1,"b":2}'
 */
export function mapText({
  key,
  value,
}: MapType): (keys: readonly NonNullable<ScalarValue>[], values: readonly ScalarValue[]) => string {
  const keyOf = mapKeyText(key);
  const text = elementText(value);
  return (keys, values) =>
    `{${keys.map((each, at) => `${JSON.stringify(keyOf(each))}:${text(values[at] ?? null)}`).join(',')}}`;
}

/** A value as the engine carries it, as TypeScript has it: the way out of canonical texts. Frozen. */
export function openedValue(type: ResultType): (value: ScalarValue) => OpenedValue {
  if (isScalarType(type)) return (value) => value;
  const open = openedTree(type);
  return (text) => (text === null ? null : open(parseJson(text as string)));
}

function openedTree(type: ResultType): (tree: JsonTree) => OpenedValue {
  if (isScalarType(type)) {
    const convert = scalarOfJson(type);
    return (tree) => (tree === null ? null : (convert(tree) as ScalarValue));
  }
  if (type.kind === 'list') {
    const open = openedTree(type.item);
    return (tree) => (tree === null ? null : Object.freeze((tree as readonly JsonTree[]).map(open)));
  }
  const open = openedTree(type.value);
  return (tree) => (tree === null ? null : recordOf(tree as Readonly<Record<string, JsonTree>>, open));
}

/** A record without a prototype: a category may be called `constructor`. */
function recordOf<In, Out>(from: Readonly<Record<string, In>>, map: (value: In) => Out): Readonly<Record<string, Out>> {
  const record = Object.create(null) as Record<string, Out>;
  for (const key of Object.keys(from)) record[key] = map(from[key] as In);
  return Object.freeze(record);
}

/** The way back from a tree of JSON to what the engine carries; undefined where it is none of the type. */
export function carriedJson(type: ResultType): (tree: unknown) => ScalarValue | undefined {
  return carried(type, (scalar) => scalarOfJson(scalar));
}

/** The same from a value as TypeScript has it, as `.default` takes it. */
export function carriedValue(type: ResultType): (value: unknown) => ScalarValue | undefined {
  return carried(type, (scalar) => rowValueConversion(scalar));
}

type Carry = (value: unknown) => ScalarValue | undefined;

function carried(type: ResultType, convertOf: (scalar: ScalarType) => (raw: unknown) => unknown): Carry {
  if (isScalarType(type)) {
    const convert = convertOf(type);
    return (value) => (value === null ? null : (convert(value) as ScalarValue | undefined));
  }
  if (type.kind === 'list') {
    const item = carried(type.item, convertOf);
    const text = listText(type);
    return (value) => {
      if (value === null) return null;
      if (!Array.isArray(value)) return undefined;
      // Not `map`: it leaves holes, and so would the checks below.
      const items = Array.from(value, item);
      return items.some((each) => each === undefined || each === null) ? undefined : text(items as ScalarValue[]);
    };
  }
  return carriedMap(type, carried(type.value, convertOf));
}

function carriedMap(type: MapType, valueOf: Carry): Carry {
  // Any text: what a contract refuses of one is no matter here.
  const keyOf = type.key.kind === 'string' ? scalarOfJson(type.key) : textReading(type.key).convert;
  const asWritten = mapKeyText(type.key);
  const compare = comparisonOf(type.key);
  const text = mapText(type);
  return (value) => {
    if (value === null) return null;
    if (typeof value !== 'object' || Array.isArray(value)) return undefined;
    const entries: [NonNullable<ScalarValue>, ScalarValue][] = [];
    for (const [name, raw] of Object.entries(value)) {
      const key = keyOf(name) as ScalarValue | undefined;
      const each = valueOf(raw);
      // In another spelling it would stand beside itself.
      if (key === undefined || key === null || each === undefined || asWritten(key) !== name) return undefined;
      entries.push([key, each]);
    }
    entries.sort(([a], [b]) => compare(a, b));
    return text(
      entries.map(([key]) => key),
      entries.map(([, each]) => each),
    );
  };
}

/**
 * A feature's value as JSON has it: `jsonValue`, of lists and maps too.
 *
 * @example
 * jsonTree({ kind: 'list', item: { kind: 'int64' } }, '["1"]'); // ['1']
 */
export function jsonTree(type: ResultType, value: ScalarValue): JsonTree {
  return isScalarType(type) || value === null ? jsonValue(type as ScalarType, value) : treeOf(value as string);
}

function treeOf(text: string): JsonTree {
  try {
    return parseJson(text);
  } catch {
    throw internalBug(`no canonical text: ${describeReceived(text)}`);
  }
}
