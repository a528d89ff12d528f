import type { z } from 'zod';
import type { FieldOfKind, KindOf, NumericKind, ScalarKind, Shape } from '../contract/row-of.ts';
import type { DistinctInput, HistogramInput, ListInput, OrderedInput, Spread, TopInput } from './aggregate-inputs.ts';
import type { Duration } from './duration.ts';
import type {
  Built,
  Feature,
  ModifierName,
  NumberOf,
  OpenFeature,
  Read,
  RowFunction,
  Sure,
  ValueOf,
  WindowOptions,
} from './feature.ts';
import type { ApproxDistinct, Median, Quantiles } from './sketch-inputs.ts';
import type { AggregateName } from './view-layout.ts';

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
   * relative to it. `too-many-distinct` is its error.
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
