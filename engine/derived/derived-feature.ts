import type { z } from 'zod';
import type { FieldValue } from '../contract/row-of.ts';
import type { Micros } from '../values/field-type.ts';

/** A function of features. It must be pure; `millrace plan` detects what is not. */
export type DerivedFunction = (values: never, context: never) => unknown;

/** What a derived feature can be. `list`: of what its schema says. */
export type DerivedKind = 'double' | 'int' | 'string' | 'boolean' | 'timestamp' | 'list';

/** A feature made of features when they are read. `Value` is what reading it gives. */
export interface DerivedFeature<out Value = unknown> {
  readonly kind: 'derived';
  readonly type: DerivedKind;
  /** Of a list, the type of its elements; else null. */
  readonly item: z.core.$ZodType | null;
  readonly compute: DerivedFunction;
  /** Never set: carries the type of the feature's value. */
  readonly value?: Value;
}

/** Derived features by name. */
export type DerivedSet = Readonly<Record<string, DerivedFeature>>;

/** The values of features by name, stored or derived. */
export type FeatureValues<Features> = {
  readonly [Name in keyof Features]: Features[Name] extends { readonly value?: infer Value }
    ? Exclude<Value, undefined>
    : never;
};

/** The time of a read, the only one a derived function gets: UTC epoch µs. Of a label row, the time of that row. */
export interface ReadTime {
  readonly at: Micros;
}

type Compute<Values, Context, Result> = (values: Values, context: Context) => Result | null;

/**
 * Declares derived features: functions of the values of features and of the time of the read. They run when features are read, in serving and in
 * training alike. A value in error is null in them; null is always allowed as their result. What throws, or gives anything else
 * than its kind, is `derived-failed` beside the values; what read a value in error is `input-error`.
 */
export interface DerivedBuilder<Values, Context = ReadTime> {
  /** A double. Not a number and infinity are no values. */
  number(compute: Compute<Values, Context, number>): DerivedFeature<number | null>;
  /** A whole number within ±2^53. */
  int(compute: Compute<Values, Context, number>): DerivedFeature<number | null>;
  string(compute: Compute<Values, Context, string>): DerivedFeature<string | null>;
  boolean(compute: Compute<Values, Context, boolean>): DerivedFeature<boolean | null>;
  /** A time, in UTC epoch µs. */
  timestamp(compute: Compute<Values, Context, number>): DerivedFeature<Micros | null>;
  /** A list of scalars, none of them null: `d.list(z.string(), (v) => [...])`. */
  list<T extends z.core.$ZodType>(
    item: T,
    compute: Compute<Values, Context, readonly NonNullable<FieldValue<T>>[]>,
  ): DerivedFeature<readonly NonNullable<FieldValue<T>>[] | null>;
}

/** Derived features that see the same: one of the blocks of a definition. */
export type DerivedBlock<Values, Context, Block> = (d: DerivedBuilder<Values, Context>) => Block;

/** A block as a definition keeps it. */
export type AnyBlock = (d: DerivedBuilder<never, never>) => DerivedSet;

function derived(type: DerivedKind, item: z.core.$ZodType | null, compute: DerivedFunction): DerivedFeature<never> {
  return Object.freeze({ kind: 'derived', type, item, compute });
}

/** The builder handed to every block. It only notes what is asked; `compileDefinitions` judges it. */
export const derivedBuilder: DerivedBuilder<never, never> = Object.freeze({
  number: (compute: DerivedFunction) => derived('double', null, compute),
  int: (compute: DerivedFunction) => derived('int', null, compute),
  string: (compute: DerivedFunction) => derived('string', null, compute),
  boolean: (compute: DerivedFunction) => derived('boolean', null, compute),
  timestamp: (compute: DerivedFunction) => derived('timestamp', null, compute),
  // Untyped callers leave the schema out; `compileDefinitions` says so.
  list: (item: z.core.$ZodType, compute: DerivedFunction) => derived('list', item ?? null, compute),
});
