import fc from 'fast-check';
import { listText, mapText } from '../../engine/values/composite-text.ts';
import { comparisonOf } from '../../engine/values/compare.ts';
import type { ScalarType, ScalarValue } from '../../engine/values/field-type.ts';
import { isScalarType, type ListType, type MapType, type ResultType } from '../../engine/values/result-type.ts';
import { scalarTypes, valuesOf } from './arbitraries.ts';

/** What a map's keys can be. */
export const keyTypes: readonly ScalarType[] = scalarTypes.filter(({ kind }) =>
  ['string', 'enum', 'int', 'int64', 'boolean', 'date'].includes(kind),
);

/** Texts that a record could lose: what objects have of themselves, paths, what looks like JSON, like numbers and like other values. */
const trapTexts = [
  '__proto__',
  'constructor',
  'toString',
  'a.b',
  '["x"]',
  '{}',
  '"',
  '\\',
  '\n',
  '\u2028',
  '10',
  '9',
  '-0',
  'null',
  'true',
  ' ',
];

/** Values that rows can hold: no store has a NUL in text. */
export function storableOf(type: ScalarType): fc.Arbitrary<NonNullable<ScalarValue>> {
  if (type.kind !== 'string') return valuesOf(type);
  return fc.oneof(
    fc.constantFrom(...trapTexts),
    valuesOf(type).filter((text) => !(text as string).includes('\0')),
  );
}

const listOf = (item: ResultType): ListType => ({ kind: 'list', item });
const mapOf = (key: ScalarType, value: ResultType): MapType => ({ kind: 'map', key, value });

/** Every list and map that an aggregate, or one by category, can have. */
export const compositeTypes: readonly (ListType | MapType)[] = [
  ...scalarTypes.map(listOf),
  ...keyTypes.map((key) => mapOf(key, { kind: 'int' })),
  ...scalarTypes.map((value) => mapOf({ kind: 'string' }, value)),
  ...keyTypes.map((key) => mapOf(key, listOf({ kind: 'double' }))),
  ...keyTypes.map((key) => mapOf({ kind: 'string' }, mapOf(key, { kind: 'int' }))),
];

/** Values as the engine carries them; those of a map may be null. */
export function carriedOf(type: ResultType): fc.Arbitrary<NonNullable<ScalarValue>> {
  if (isScalarType(type)) return storableOf(type);
  if (type.kind === 'list') return fc.array(carriedOf(type.item), { maxLength: 6 }).map(listText(type));
  const text = mapText(type);
  const compare = comparisonOf(type.key);
  const entry = fc.tuple(storableOf(type.key), fc.option(carriedOf(type.value), { freq: 5 }));
  return fc.uniqueArray(entry, { maxLength: 6, selector: ([key]) => key }).map((entries) => {
    const sorted = entries.toSorted(([a], [b]) => compare(a, b));
    return text(
      sorted.map(([key]) => key),
      sorted.map(([, value]) => value),
    );
  });
}
