import type { z } from 'zod';
import type {
  CategoryKind,
  FieldOfKind,
  FieldValue,
  KindOf,
  NumericKind,
  RowOf,
  ScalarKind,
  Shape,
} from '../contract/row-of.ts';
import type { DistinctInput, HistogramInput, ListInput, OrderedInput, Spread, TopInput } from './aggregate-inputs.ts';
import type { Duration } from './duration.ts';
import type { ApproxDistinct, Median, Quantiles } from './sketch-inputs.ts';
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

/** An aggregate over a field or a row function. A function returns a number, or what `type` says. Nulls are skipped. */
interface AnyInput<Members extends Shape> {
  <Name extends FieldOfKind<Members, ScalarKind>>(field: Name): Sure<Read<Members[Name]>, Members>;
  (input: NumberOf<Members>): Sure<number | null, Members>;
  <T extends z.core.$ZodType>(input: ValueOf<Members, T>, options: { readonly type: T }): Sure<Read<T>, Members>;
}

interface NumericInput<Members extends Shape> {
  <Name extends FieldOfKind<Members, NumericKind>>(field: Name): Built<Read<Members[Name]>, Members>;
  (input: NumberOf<Members>): Built<number | null, Members>;
  <T extends z.core.$ZodType>(
    input: KindOf<T> extends NumericKind ? ValueOf<Members, T> : never,
    options: { readonly type: T },
  ): Built<Read<T>, Members>;
}

/** The aggregates a view's `features` function builds with. */
export interface FeatureBuilder<Members extends Shape = Shape> {
  /** Counts rows, or the rows whose input is not null. Never null itself. */
  readonly count: {
    (): Built<number, Members>;
    (field: FieldOfKind<Members, ScalarKind>): Built<number, Members>;
    (input: NumberOf<Members>): Built<number, Members>;
    <T extends z.core.$ZodType>(input: ValueOf<Members, T>, options: { readonly type: T }): Built<number, Members>;
  };
  /** The exact sum; doubles are rounded once, when read. */
  readonly sum: NumericInput<Members>;
  /** The exact sum divided by the count of non-nulls. */
  readonly avg: {
    (field: FieldOfKind<Members, NumericKind>): Built<number | null, Members>;
    (input: NumberOf<Members>): Built<number | null, Members>;
    <T extends z.core.$ZodType>(
      input: KindOf<T> extends NumericKind ? ValueOf<Members, T> : never,
      options: { readonly type: T },
    ): Built<number | null, Members>;
  };
  readonly min: AnyInput<Members>;
  readonly max: AnyInput<Members>;
  /** The input of the earliest event that has one, by (event time, event id or log position). */
  readonly first: AnyInput<Members>;
  /** The input of the latest event that has one. */
  readonly last: AnyInput<Members>;
  /** x of the event with the least y, of those that have both; of equal ones the earliest, in the order of `first`. */
  readonly minBy: OrderedInput<Members>;
  /** x of the event with the greatest y, of those that have both; of equal ones the latest. */
  readonly maxBy: OrderedInput<Members>;
  /** The sample variance (over n - 1), exact, rounded once; null below two values. `{ population: true }`: over n, null below one. */
  readonly variance: Spread<Members>;
  /** The root of that variance, correctly rounded; it may fit where the variance does not. */
  readonly stddev: Spread<Members>;
  /** The inputs of the n earliest events that have one, the earliest first. `{ distinct: true }`: each value once, where it first was. */
  readonly firstN: ListInput<Members>;
  /** The inputs of the n latest events that have one, the latest last. `{ distinct: true }`: each value once, where it last was. */
  readonly lastN: ListInput<Members>;
  /**
   * Of the n values in their order, those at floor(q · (n - 1)), counted from 0, in the order asked: each within `accuracy` of the exact one,
   * relative to it. `value-out-of-range` and `too-many-distinct` are its errors.
   *
   * @example
   * f.quantiles('delay', [0.5, 0.99], { accuracy: 0.005 }).over('7d')
   */
  readonly quantiles: Quantiles<Members>;
  /** The quantile 0.5: of an even number of values the lower of the two in the middle. */
  readonly median: Median<Members>;
  /** How many distinct values there are, exactly; 0 of none. Of more than `limit` it is null, with the error `too-many-distinct`. */
  readonly distinct: DistinctInput<Members>;
  /** The k values that are there most often, the most frequent first, of equal ones the least. Of more than `limit` distinct values an error. */
  readonly topK: TopInput<Members>;
  /** How often each value is there, by its text. Of more than `limit` distinct values an error. */
  readonly histogram: HistogramInput<Members>;
  /**
   * How many distinct values there are: exactly up to 1/error², beyond with that standard error. Never null itself.
   *
   * @example
   * f.approxDistinct('user', { error: 0.01 }).over('7d')
   */
  readonly approxDistinct: ApproxDistinct<Members>;
}

/** Features of a view by name. */
export type FeatureSet = Readonly<Record<string, Feature>>;

type FeatureFacts = Omit<Feature, 'kind' | 'value'>;

/** Any row: what the builder's types say of it is `featureBuilder`'s. */
interface AnyFeature extends Omit<OpenFeature<never, never>, 'by' | 'over' | 'where' | 'default'> {
  over(window: Duration, options?: WindowOptions): AnyFeature;
  where(condition: RowFunction): AnyFeature;
  /** Its own kind of feature, whatever the category. */
  by(input: string | RowFunction, options?: CategoryOptions): never;
  default(value: unknown): AnyFeature;
}

interface CategoryOptions {
  readonly type?: z.core.$ZodType | undefined;
  readonly limit?: number | undefined;
}

const plain: FeatureFacts = {
  aggregate: 'count',
  input: null,
  type: null,
  order: null,
  orderType: null,
  population: false,
  size: null,
  limit: null,
  distinct: false,
  quantiles: null,
  accuracy: null,
  error: null,
  window: null,
  hop: null,
  ago: null,
  condition: null,
  categories: null,
  fill: null,
  repeated: [],
};

function feature(facts: FeatureFacts): AnyFeature {
  const repeatedIf = (isGiven: boolean, name: ModifierName): readonly ModifierName[] =>
    isGiven ? [...facts.repeated, name] : facts.repeated;
  return Object.freeze({
    kind: 'feature',
    ...facts,
    over: (window: Duration, options?: WindowOptions) =>
      feature({
        ...facts,
        // Untyped callers leave it out; `compileDefinitions` says so.
        window: window ?? '',
        hop: options?.hop ?? null,
        ago: options?.ago ?? null,
        repeated: repeatedIf(facts.window !== null, 'over'),
      }),
    where: (condition: RowFunction) =>
      feature({ ...facts, condition, repeated: repeatedIf(facts.condition !== null, 'where') }),
    by: (input: string | RowFunction, options?: CategoryOptions) =>
      feature({
        ...facts,
        // Untyped callers leave it out; `compileDefinitions` says so.
        categories: { input: input ?? null, type: options?.type ?? null, limit: options?.limit ?? null },
        repeated: repeatedIf(facts.categories !== null, 'by'),
      }) as never,
    default: (value: unknown) =>
      feature({ ...facts, fill: { value }, repeated: repeatedIf(facts.fill !== null, 'default') }),
  });
}

interface AggregateOptions {
  readonly type?: z.core.$ZodType | undefined;
  readonly population?: boolean | undefined;
  readonly accuracy?: number | undefined;
  readonly error?: number | undefined;
  readonly limit?: number | undefined;
}

function aggregate(name: AggregateName) {
  return (input?: string | RowFunction, options?: AggregateOptions, quantiles?: readonly number[]): AnyFeature =>
    feature({
      ...plain,
      aggregate: name,
      input: input ?? null,
      type: options?.type ?? null,
      population: options?.population ?? false,
      quantiles: quantiles ?? null,
      accuracy: options?.accuracy ?? null,
      error: options?.error ?? null,
      limit: options?.limit ?? null,
    });
}

function ordered(name: 'minBy' | 'maxBy') {
  return (
    input: string | RowFunction,
    order: string | RowFunction,
    options?: { readonly type?: z.core.$ZodType | undefined; readonly byType?: z.core.$ZodType | undefined },
  ): AnyFeature =>
    feature({
      ...plain,
      aggregate: name,
      // Untyped callers leave them out; `compileDefinitions` says so.
      input: input ?? null,
      type: options?.type ?? null,
      order: order ?? null,
      orderType: options?.byType ?? null,
    });
}

function listing(name: 'firstN' | 'lastN' | 'topK') {
  return (
    input: string | RowFunction,
    n: number,
    options?: {
      readonly type?: z.core.$ZodType | undefined;
      readonly distinct?: boolean | undefined;
      readonly limit?: number | undefined;
    },
  ): AnyFeature =>
    feature({
      ...plain,
      aggregate: name,
      // Untyped callers leave them out; `compileDefinitions` says so.
      input: input ?? null,
      size: n ?? null,
      type: options?.type ?? null,
      distinct: options?.distinct ?? false,
      limit: options?.limit ?? null,
    });
}

const aggregates = Object.freeze({
  count: aggregate('count'),
  sum: aggregate('sum'),
  avg: aggregate('avg'),
  min: aggregate('min'),
  max: aggregate('max'),
  first: aggregate('first'),
  last: aggregate('last'),
  minBy: ordered('minBy'),
  maxBy: ordered('maxBy'),
  variance: aggregate('variance'),
  stddev: aggregate('stddev'),
  firstN: listing('firstN'),
  lastN: listing('lastN'),
  quantiles: (input: string | RowFunction, quantiles: readonly number[], options?: AggregateOptions) =>
    aggregate('quantiles')(input, options, quantiles),
  median: aggregate('median'),
  distinct: aggregate('distinct'),
  topK: listing('topK'),
  histogram: aggregate('histogram'),
  approxDistinct: aggregate('approxDistinct'),
});

/** The builder handed to every view. It only notes what is asked; `compileDefinitions` judges it. */
export function featureBuilder<Members extends Shape>(): FeatureBuilder<Members> {
  return aggregates;
}
