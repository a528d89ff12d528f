import type { z } from 'zod';
import type {
  CategoryKind,
  FieldOfKind,
  FieldValue,
  KindOf,
  NumericKind,
  ScalarKind,
  Shape,
} from '../contract/row-of.ts';
import type { Built, MapOf, ModifierName, NumberOf, OfSome, OpenFeature, Read, Sure, ValueOf } from './feature.ts';

interface Distinct {
  readonly distinct?: boolean | undefined;
}

type ListOf<T> = readonly NonNullable<T>[] | null;

/** Any input, and how many of its values. `Kept`: what a default does not take the place of. */
interface Listing<Members extends Shape, Options, Kept extends null> {
  <Name extends FieldOfKind<Members, ScalarKind>>(
    field: Name,
    n: number,
    options?: Options,
  ): MadeList<FieldValue<Members[Name]>, Members, Kept>;
  (input: NumberOf<Members>, n: number, options?: Options): MadeList<number, Members, Kept>;
  <T extends z.core.$ZodType>(
    input: ValueOf<Members, T>,
    n: number,
    options: Options & { readonly type: T },
  ): MadeList<FieldValue<T>, Members, Kept>;
}

type MadeList<T, Members extends Shape, Kept extends null> = OpenFeature<
  ListOf<T>,
  Members,
  ModifierName,
  NonNullable<ListOf<T>> | Kept
>;

/** Lists that cannot be in error: with a default they are never null. */
export type ListInput<Members extends Shape> = Listing<Members, Distinct, never>;

interface Limit {
  /** How many distinct values the window may have: default 1,000, at most 10,000. */
  readonly limit?: number | undefined;
}

/** Any input; a value that is null only where there are too many. */
export interface DistinctInput<Members extends Shape> {
  (field: FieldOfKind<Members, ScalarKind>, options?: Limit): Built<number | null, Members>;
  (input: NumberOf<Members>, options?: Limit): Built<number | null, Members>;
  <T extends z.core.$ZodType>(
    input: ValueOf<Members, T>,
    options: Limit & { readonly type: T },
  ): Built<number | null, Members>;
}

/** Lists that may be in error, of too many values. */
export type TopInput<Members extends Shape> = Listing<Members, Limit, null>;

type CountsBy<T> = MapOf<NonNullable<T>, number> | null;

/** What can be the key of a map. A function has to say its type: a plain number is a double. */
export interface HistogramInput<Members extends Shape> {
  <Name extends FieldOfKind<Members, CategoryKind>>(
    field: Name,
    options?: Limit,
  ): Built<CountsBy<FieldValue<Members[Name]>>, Members>;
  <T extends z.core.$ZodType>(
    input: KindOf<T> extends CategoryKind ? ValueOf<Members, T> : never,
    options: Limit & { readonly type: T },
  ): Built<CountsBy<FieldValue<T>>, Members>;
}

/** What `minBy` and `maxBy` order events by where no type is given with it. */
type Order<Members extends Shape> = FieldOfKind<Members, ScalarKind> | NumberOf<Members>;

/** Any input, and what events are ordered by. A function returns a number, or what `type` (of x) and `byType` (of y) say. */
export interface OrderedInput<Members extends Shape> {
  <Name extends FieldOfKind<Members, ScalarKind>>(x: Name, y: Order<Members>): Sure<Read<Members[Name]>, Members>;
  (x: NumberOf<Members>, y: Order<Members>): Sure<number | null, Members>;
  <T extends z.core.$ZodType>(
    x: ValueOf<Members, T>,
    y: Order<Members>,
    options: { readonly type: T; readonly byType?: undefined },
  ): Sure<Read<T>, Members>;
  <Name extends FieldOfKind<Members, ScalarKind>, Y extends z.core.$ZodType>(
    x: Name,
    y: ValueOf<Members, Y>,
    options: { readonly type?: undefined; readonly byType: Y },
  ): Sure<Read<Members[Name]>, Members>;
  <Y extends z.core.$ZodType>(
    x: NumberOf<Members>,
    y: ValueOf<Members, Y>,
    options: { readonly type?: undefined; readonly byType: Y },
  ): Sure<number | null, Members>;
  <T extends z.core.$ZodType, Y extends z.core.$ZodType>(
    x: ValueOf<Members, T>,
    y: ValueOf<Members, Y>,
    options: { readonly type: T; readonly byType: Y },
  ): Sure<Read<T>, Members>;
}

/** A double out of numbers; `population`: the values are all there are, not a sample. */
export interface Spread<Members extends Shape> {
  (field: FieldOfKind<Members, NumericKind>, options?: Population): OfSome<number | null, Members>;
  (input: NumberOf<Members>, options?: Population): OfSome<number | null, Members>;
  <T extends z.core.$ZodType>(
    input: KindOf<T> extends NumericKind ? ValueOf<Members, T> : never,
    options: Population & { readonly type: T },
  ): OfSome<number | null, Members>;
}

interface Population {
  readonly population?: boolean | undefined;
}
