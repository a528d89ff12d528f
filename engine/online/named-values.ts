import type { FeatureLayout } from '../define/view-layout.ts';
import { type OpenedValue, openedValue } from '../values/composite-text.ts';
import type { ScalarValue } from '../values/field-type.ts';
import { isScalarType } from '../values/result-type.ts';

/** Feature to value, as TypeScript has it. */
export type NamedValues = Readonly<Record<string, OpenedValue>>;

type NameValues = (values: readonly ScalarValue[]) => NamedValues;

/** A version's features are one array for as long as a reader of it lives. */
const made = new WeakMap<readonly FeatureLayout[], NameValues>();

/**
 * Names the values of a read, which are in the order of `features`, and opens its lists and maps. What that takes is decided once per array of
 * features; where all are scalars no value is looked at.
 *
 * @example
 * namedValues(read.features)(read.values); // { flights_1d: 12, last_airports: ['PHL', 'LAS'] }
 */
export function namedValues(features: readonly FeatureLayout[]): NameValues {
  let name = made.get(features);
  if (name === undefined) {
    name = nameValues(features);
    made.set(features, name);
  }
  return name;
}

function nameValues(features: readonly FeatureLayout[]): NameValues {
  const names = features.map(({ name }) => name);
  const composites = features.flatMap(({ name, result }, index) =>
    isScalarType(result) ? [] : [{ name, index, open: openedValue(result) }],
  );
  const plain = (values: readonly ScalarValue[]): Record<string, OpenedValue> => {
    const named: Record<string, OpenedValue> = {};
    for (let index = 0; index < names.length; index++) named[names[index]!] = values[index]!;
    return named;
  };
  if (composites.length === 0) return plain;
  return (values) => {
    const named = plain(values);
    for (const { name, index, open } of composites) named[name] = open(values[index]!);
    return named;
  };
}
