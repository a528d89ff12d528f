import type { RowOf } from '../contract/row-of.ts';
import type { Decisions } from './decisions.ts';
import type { About } from './about.ts';
import type { Duration } from './duration.ts';
import type { Source } from './source.ts';

/** What a label can be. */
export type LabelScalar = number | string | boolean;

type RowIn<S> = S extends Source<string, infer Members> ? RowOf<NonNullable<Members>> : never;

/** How outcomes become labels of decisions. */
export interface LabelSetOptions<D extends Decisions, O extends Source, Value extends LabelScalar> extends About {
  readonly decisions: D;
  /** Outcomes, or any source that has them. */
  readonly outcomes: O;
  /**
   * What both sides are joined by. Default: the decision's id, and the `decision_id` of an outcome. An outcome goes to every decision of its key that it may
   * belong to; a null joins nothing.
   */
  readonly on?:
    | {
        readonly decision: (d: RowIn<D>) => string | null;
        readonly outcome: (o: RowIn<O>) => string | null;
      }
    | undefined;
  /** What an outcome says of a decision; null: nothing. */
  readonly value: (d: RowIn<D>, o: RowIn<O>) => Value | null;
  /** How several become one, in the order of (time, id). Default `'last'`. */
  readonly reduce?:
    | 'first'
    | 'last'
    | (Value extends number ? 'sum' : never)
    | ((values: readonly Value[]) => Value | null)
    | undefined;
  /** So long after the decision its label is final. */
  readonly matureAfter: Duration;
  /** What it means that nothing came. */
  readonly absent: 0 | null | 'leave-out';
  /** How long after a decision an outcome may happen to be paired with it (`pairs`). Default: `matureAfter`. */
  readonly horizon?: Duration | undefined;
  /** The name of the field of another source with the time since when an outcome could be known. Default: its record's broker time. */
  readonly knownAt?: string | undefined;
}

/** A label set as `labelSet()` gives it. */
export interface LabelSet<
  Name extends string = string,
  D extends Decisions = Decisions,
  O extends Source = Source,
  Value extends LabelScalar = LabelScalar,
> {
  readonly kind: 'label-set';
  readonly name: Name;
  readonly options: LabelSetOptions<D, O, Value>;
}

/** A label set whatever its types: what is compiled. */
export interface AnyLabelSet {
  readonly kind: 'label-set';
  readonly name: string;
  readonly options: About & {
    readonly decisions: Source;
    readonly outcomes: Source;
    readonly on?: { readonly decision: unknown; readonly outcome: unknown } | undefined;
    readonly value: unknown;
    readonly reduce?: unknown;
    readonly matureAfter: unknown;
    readonly absent: 0 | null | 'leave-out';
    readonly horizon?: unknown;
    readonly knownAt?: string | undefined;
  };
}

/**
 * Declares what became of decisions: which outcomes belong to which, what they say, and since when that is final.
 *
 * @example
 * export const late = labelSet('late', {
 *   decisions: delayDecisions,
 *   outcomes: departures,
 *   on: { decision: (d) => d.context.flight_id, outcome: (o) => o.flight_id },
 *   value: (_, o) => (o.delay > 15 ? 1 : 0),
 *   matureAfter: '3d',
 *   absent: 'leave-out',
 * });
 */
export function labelSet<const Name extends string, D extends Decisions, O extends Source, Value extends LabelScalar>(
  name: Name,
  options: LabelSetOptions<D, O, Value>,
): LabelSet<Name, D, O, Value> {
  return Object.freeze({ kind: 'label-set', name, options });
}
