import type { z } from 'zod';
import type { FieldOfKind, KindOf, NumericKind, ScalarKind, Shape } from '../contract/row-of.ts';
import type { Built, NumberOf, ValueOf } from './feature.ts';

interface Accuracy {
  /** How far from the exact value an answer may be, relative to it: 0.001 to 0.5, default 0.01. */
  readonly accuracy?: number | undefined;
}

/** A double near the number in the middle. */
export interface Median<Members extends Shape> {
  (field: FieldOfKind<Members, NumericKind>, options?: Accuracy): Built<number | null, Members>;
  (input: NumberOf<Members>, options?: Accuracy): Built<number | null, Members>;
  <T extends z.core.$ZodType>(
    input: KindOf<T> extends NumericKind ? ValueOf<Members, T> : never,
    options: Accuracy & { readonly type: T },
  ): Built<number | null, Members>;
}

/** From 0 to 1, none twice. */
type QuantileList = readonly [number, ...number[]];
type Doubles = readonly number[] | null;

/** A double near a number for each quantile, in the order asked. */
export interface Quantiles<Members extends Shape> {
  (field: FieldOfKind<Members, NumericKind>, quantiles: QuantileList, options?: Accuracy): Built<Doubles, Members>;
  (input: NumberOf<Members>, quantiles: QuantileList, options?: Accuracy): Built<Doubles, Members>;
  <T extends z.core.$ZodType>(
    input: KindOf<T> extends NumericKind ? ValueOf<Members, T> : never,
    quantiles: QuantileList,
    options: Accuracy & { readonly type: T },
  ): Built<Doubles, Members>;
}

interface StandardError {
  /** The standard error of the count, relative to it: 0.005 to 0.1, default 0.02. */
  readonly error?: number | undefined;
}

/** A count of any values. */
export interface ApproxDistinct<Members extends Shape> {
  (field: FieldOfKind<Members, ScalarKind>, options?: StandardError): Built<number, Members>;
  (input: NumberOf<Members>, options?: StandardError): Built<number, Members>;
  <T extends z.core.$ZodType>(
    input: ValueOf<Members, T>,
    options: StandardError & { readonly type: T },
  ): Built<number, Members>;
}
