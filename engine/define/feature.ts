import type { z } from 'zod';
import type { CategoryKind, FieldOfKind, FieldValue, KindOf, RowOf, Shape } from '../contract/row-of.ts';
import type { Duration } from './duration.ts';
import type { AggregateName } from './view-layout.ts';

/** A function of a row of a source's contract. It must be pure; `millrace plan` detects what is not. */
export type RowFunction = (row: never) => unknown;

/** What a feature can be told beside its aggregate: each once, in any order. */
export type ModifierName = 'over' | 'where' | 'by' | 'default';

/** One feature as declared: an aggregate over an input and a window. `Value` is what reading it gives. */
export interface Feature<out Value = unknown> {
  readonly kind: 'feature';
  readonly aggregate: AggregateName;
  /** A field's name, a row function, or null for `count()`. */
  readonly input: string | RowFunction | null;
  /** The type a row function returns; null: number. */
  readonly type: z.core.$ZodType | null;
  /** Of `minBy` and `maxBy`, what they order events by, as `input`; else null. */
  readonly order: string | RowFunction | null;
  readonly orderType: z.core.$ZodType | null;
  /** Of `variance` and `stddev`: over n, not n - 1. */
  readonly population: boolean;
  /** Of `firstN` and `lastN`, n; of `topK`, k; else null. */
  readonly size: number | null;
  /** Of `distinct`, `topK` and `histogram`, how many distinct values they take; null: the default. */
  readonly limit: number | null;
  /** Of `firstN` and `lastN`: each value once. */
  readonly distinct: boolean;
  /** Of `quantiles`, which; else null. */
  readonly quantiles: readonly number[] | null;
  /** Of `quantiles` and `median`; null: the default. */
  readonly accuracy: number | null;
  /** Of `approxDistinct`; null: the default. */
  readonly error: number | null;
  /** Null: lifetime. */
  readonly window: string | null;
  /** Null: the default of the window. */
  readonly hop: string | null;
  /** How far back the window lies; null: it ends at the time of the read. */
  readonly ago: string | null;
  /** Keeps the events it is true of; null: all. */
  readonly condition: RowFunction | null;
  /** What its events are divided by; null: nothing. */
  readonly categories: Categories | null;
  /** What stands in place of null; null: nothing does. */
  readonly fill: { readonly value: unknown } | null;
  /** Modifiers that were given more than once. */
  readonly repeated: readonly ModifierName[];
  /** Never set: carries the type of the feature's value. */
  readonly value?: Value;
}

/** What divides the events of a feature, as `.by` was given it. */
export interface Categories {
  readonly input: string | RowFunction;
  /** The type a row function returns; null: none was named. */
  readonly type: z.core.$ZodType | null;
  /** The most categories a window may have. Null: the default. */
  readonly limit: number | null;
}

/** A map from categories to what the feature is for each. */
export type MapOf<Category, Value> = [Category] extends [string]
  ? string extends Category
    ? Readonly<Record<string, Value>>
    : { readonly [Name in Category]?: Value }
  : Readonly<Record<string, Value>>;

/** How a window is cut into tiles, and how far back it lies. */
export interface WindowOptions {
  readonly hop?: Duration | undefined;
  readonly ago?: Duration | undefined;
}

interface Modifiers<Value, Members extends Shape, Left extends ModifierName, Filled, Each> {
  /**
   * Limits the feature to a window before the time of the read; without it, a feature covers the entity's whole life. `hop` is the length of
   * its tiles; `ago` has it end so much earlier: the same window as it was then, in whole tiles.
   *
   * @example
   * f.count().over('1h', { hop: '10s' })
   * f.count().over('7d', { ago: '7d' }) // the week before
   */
  over(window: Duration, options?: WindowOptions): OpenFeature<Value, Members, Exclude<Left, 'over'>, Filled, Each>;
  /**
   * Keeps, of the rows that the view's own `where` keeps, those it is true of, for this feature alone: other features, whether an entity is
   * found and what is its newest event do not depend on it. It runs before the feature's input, which may rely on it.
   *
   * @example
   * f.avg('amount').where((e) => e.declined).over('30d')
   */
  where(condition: (row: RowOf<Members>) => boolean): OpenFeature<Value, Members, Exclude<Left, 'where'>, Filled, Each>;
  /**
   * One value per category instead of one: a map. It has the categories of the window that have a value to aggregate; where there is none, the
   * feature is null. A category is text, an enum, an integer, a boolean or a date; an event whose category is null is skipped. With more than
   * `limit` categories in the window (default 1,000) the feature is null, with the error `too-many-distinct`. A function gives a text, or what `type` says.
   *
   * @example
   * f.sum('amount').by('category', { limit: 50 }).over('30d') // { food: '12.50', travel: '310.00' }
   */
  readonly by: {
    <Name extends FieldOfKind<Members, CategoryKind>>(
      field: Name,
      options?: { readonly limit?: number | undefined },
    ): OfCategories<NonNullable<FieldValue<Members[Name]>>, Members, Left, Each>;
    (
      category: (row: RowOf<Members>) => string | null,
      options?: { readonly limit?: number | undefined; readonly type?: undefined },
    ): OfCategories<string, Members, Left, Each>;
    <T extends z.core.$ZodType>(
      category: KindOf<T> extends CategoryKind ? (row: RowOf<Members>) => FieldValue<T> | null : never,
      options: { readonly limit?: number | undefined; readonly type: T },
    ): OfCategories<NonNullable<FieldValue<T>>, Members, Left, Each>;
  };
  /**
   * What a read gives in place of null, in every surface alike; never in place of an error: a feature that can have one (`sum`, `avg`, `variance`,
   * `stddev`, `quantiles`, `median`, a map by category) may still be null. Whether the entity was found, and a training set's null rates, do not depend on it; nor does the
   * state. It is of the feature's type: give it after `.by`.
   *
   * @example
   * f.sum('amount').over('7d').default('0.00')
   */
  default(value: NonNullable<Value>): OpenFeature<Filled, Members, Exclude<Left, 'default' | 'by'>, Filled, Each>;
}

type OfCategories<Category, Members extends Shape, Left extends ModifierName, Each> = OpenFeature<
  MapOf<Category, Each> | null,
  Members,
  Exclude<Left, 'by'>,
  MapOf<Category, Each> | null,
  Each
>;

/**
 * A feature that can still be told what `Left` names; `Filled` is its value once it has a default, `Each` that of a category once it is divided.
 */
export type OpenFeature<
  Value,
  Members extends Shape,
  Left extends ModifierName = ModifierName,
  Filled = Value,
  Each = NonNullable<Value>,
> = Feature<Value> & Pick<Modifiers<Value, Members, Left, Filled, Each>, Left>;

/** One that may be in error. */
export type Built<Value, Members extends Shape> = OpenFeature<Value, Members>;
/** One that cannot be in error: with a default it is never null. */
export type Sure<Value, Members extends Shape> = OpenFeature<Value, Members, ModifierName, NonNullable<Value>>;
/** One that may be null of some values, too. */
export type OfSome<Value, Members extends Shape> = OpenFeature<Value, Members, ModifierName, Value, Value>;
export type Read<S> = NonNullable<FieldValue<S>> | null;
export type NumberOf<Members> = (row: RowOf<Members>) => number | null;
export type ValueOf<Members, T> = (row: RowOf<Members>) => FieldValue<T> | null;

/** Features of a view by name. */
export type FeatureSet = Readonly<Record<string, Feature>>;
