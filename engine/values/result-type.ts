import type { ScalarType } from './field-type.ts';

/** A list of values of one type, none of them null. */
export interface ListType {
  readonly kind: 'list';
  readonly item: ResultType;
}

/** A value, null where its aggregate itself is null, per category or value seen. */
export interface MapType {
  readonly kind: 'map';
  /** What text, an integer, a boolean or a date can be: its values are keys as text outside the engine. */
  readonly key: ScalarType;
  readonly value: ResultType;
}

/**
 * The types a feature can have. Inside the engine a list or a map is carried as its canonical JSON text, of which equal values have one alone: cells
 * stay scalars, that compare, stage and hash as any text does. Only the edges open it (`openedValue`).
 */
export type ResultType = ScalarType | ListType | MapType;

/** False of lists and maps. */
export function isScalarType(type: ResultType): type is ScalarType {
  return type.kind !== 'list' && type.kind !== 'map';
}

const keyKinds: ReadonlySet<ScalarType['kind']> = new Set(['string', 'enum', 'int', 'int64', 'boolean', 'date']);

/** Whether values of a type can be the keys of a map: those whose text tells them apart everywhere. */
export function canBeKey({ kind }: ScalarType): boolean {
  return keyKinds.has(kind);
}
