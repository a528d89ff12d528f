import type { ScalarType } from '../values/field-type.ts';
import type { JsonTree } from '../values/json-values.ts';
import type { ResultType } from '../values/result-type.ts';

/**
 * The version of the engine's semantics (design §5). It is part of every fingerprint and layout. An engine applies events to states of its
 * own version alone, and reads those of the one before, too: `semantics.ts`.
 */
export const ENGINE_SEMANTICS = 2;

/** What a feature of a layout is: an aggregate of events, or made of other features when they are read. */
export type FeatureKind = AggregateName | 'derived';

export type AggregateName =
  | 'count'
  | 'sum'
  | 'avg'
  | 'min'
  | 'max'
  | 'first'
  | 'last'
  | 'minBy'
  | 'maxBy'
  | 'variance'
  | 'stddev'
  | 'firstN'
  | 'lastN'
  | 'distinct'
  | 'topK'
  | 'histogram'
  | 'quantiles'
  | 'median'
  | 'approxDistinct';

/**
 * The mergeable partial an aggregate needs: `avg` and `sum` share `sum` (exact sum and count of non-nulls), `variance` and `stddev` share
 * `moments` (that, and the exact sum of squares). Where both are over one input in one hop group, `moments` serves all four.
 * `quantiles` and `median` share `quantiles`: how many values lie in each bucket.
 * `distinct` needs `values`, `topK` and `histogram` share `counts` (the values, with how often each is there), in which `distinct` of the same limit stands, too.
 */
export type PartialKind =
  | 'count'
  | 'sum'
  | 'min'
  | 'max'
  | 'first'
  | 'last'
  | 'minBy'
  | 'maxBy'
  | 'moments'
  | 'firstN'
  | 'lastN'
  | 'values'
  | 'counts'
  | 'quantiles'
  | 'approxDistinct';

/** The most events that `firstN` and `lastN` hold. */
export const MOST_LISTED = 1000;

/** The distinct values, or categories, that a feature takes unless told otherwise. */
export const DEFAULT_LIMIT = 1000;
/** The most distinct values that `distinct`, `topK` and `histogram` can be told to take. */
export const MOST_VALUES = 10_000;

/** Whether a partial holds the value of one event, picked by the order of events. */
export function isOfOneEvent(partial: PartialKind): boolean {
  return partial === 'first' || partial === 'last' || partial === 'minBy' || partial === 'maxBy';
}

/** Whether a partial picks events by their order: its ties break by event id or position. */
export function isOrdered(partial: PartialKind): boolean {
  return isOfOneEvent(partial) || partial === 'firstN' || partial === 'lastN';
}

/** Whether one event says all that a slot holds over all time: the latest that has a value. By category there are as many as categories. */
export function isLastEvent({ partial, by }: Pick<SlotLayout, 'partial' | 'by'>): boolean {
  return partial === 'last' && by === undefined;
}

const failing: ReadonlySet<FeatureKind> = new Set([
  'sum',
  'avg',
  'variance',
  'stddev',
  'quantiles',
  'median',
  'distinct',
  'topK',
  'histogram',
  'derived',
]);

/**
 * Whether a feature may have an error in place of its value: its result may not fit its type, it has too many values or categories, or a function gives
 * it. Counts, which are no more than the events there are, always fit.
 */
export function canFail({ aggregate, result }: Pick<FeatureLayout, 'aggregate' | 'result'>): boolean {
  return result.kind === 'map' || failing.has(aggregate);
}

/** Partials of one hop length share one series of tiles. A group with `hopUs: null` is the lifetime group: one partial set, no tiles. */
export interface GroupLayout {
  readonly hopUs: number | null;
  /** How far back the windows of the group begin, at most, in microseconds: what is older is dropped. `null` for lifetime. */
  readonly spanUs: number | null;
}

/** One distinct partial: an aggregate kind over one input in one hop group. Features that agree on all of these share it. */
export interface SlotLayout {
  readonly partial: PartialKind;
  /** `null` for `count()` of rows. */
  readonly input: ScalarType | null;
  /** Of `minBy` and `maxBy` alone: the type of the y they order events by. */
  readonly order?: ScalarType | undefined;
  /** `.by`: it has a partial per category, of at most `limit` in a window; events without a category are skipped. */
  readonly by?: { readonly type: ScalarType; readonly limit: number } | undefined;
  /** Of `firstN` and `lastN` alone: how many events it holds. */
  readonly size?: number | undefined;
  /** Of `firstN` and `lastN`: each value once, at its first or latest place. */
  readonly distinct?: true | undefined;
  /** Of `values` and `counts` alone: the most distinct values it keeps. Beyond it only that is left. */
  readonly limit?: number | undefined;
  /** It takes the events alone that its features' `.where` is true of. */
  readonly conditional?: true | undefined;
  /** Of `quantiles` alone: each octave of doubles has 2^octaveBits buckets. */
  readonly octaveBits?: number | undefined;
  /** Of `approxDistinct` alone: how many of the least hashes it keeps. */
  readonly hashes?: number | undefined;
  /** Index into `groups`. */
  readonly group: number;
}

export interface FeatureLayout {
  readonly name: string;
  readonly aggregate: FeatureKind;
  /** Index into `slots`; -1 of derived features, which have none. */
  readonly slot: number;
  /** `null`: lifetime. */
  readonly windowUs: number | null;
  readonly hopUs: number | null;
  /** How long before the read the window ends; undefined: with it. */
  readonly agoUs?: number | undefined;
  readonly result: ResultType;
  /** False for counts, and for what has a default and cannot be in error. */
  readonly nullable: boolean;
  /** Of `variance` and `stddev`: of the population that the values are, rather than of one they are a sample of. */
  readonly population?: true | undefined;
  /** Of `quantiles`: which, in the order of the list. */
  readonly quantiles?: readonly number[] | undefined;
  /** Of `topK`: how many values. */
  readonly top?: number | undefined;
  /** What a read gives in place of null, as JSON has it; undefined: null. Never in place of an error. */
  readonly default?: NonNullable<JsonTree> | undefined;
}

/**
 * Everything `read`, `merge` and the state codec need to know of a view, as plain JSON: it is stored in the catalog, so that
 * readers need no user code. Row functions are not part of it.
 */
export interface ViewLayout {
  readonly semantics: number;
  readonly view: string;
  readonly entity: string;
  readonly keys: readonly { readonly name: string; readonly type: ScalarType }[];
  /** Ties of event time in `first`/`last`/`minBy`/`maxBy` break by event id, as text (`id`) or as an integer (`integer-id`), or by partition, then offset. */
  readonly tieBreak: 'id' | 'integer-id' | 'offset';
  /** Sorted by hop, the lifetime group last. */
  readonly groups: readonly GroupLayout[];
  /** Sorted by group, so that a tile's partials are contiguous. */
  readonly slots: readonly SlotLayout[];
  /** Those of states, then the derived ones, in the order in which they are computed. */
  readonly features: readonly FeatureLayout[];
  /** A read at `t` finds no entity whose newest event is at or before `t - expireUs`; undefined: an entity is found for ever. */
  readonly expireUs?: number | undefined;
}

/** Whether a feature is made of others when they are read: no state has anything of it. */
export function isDerived({ aggregate }: Pick<FeatureLayout, 'aggregate'>): boolean {
  return aggregate === 'derived';
}

/** The features that states have, which are the first of a layout. */
export function storedFeatures({ features }: Pick<ViewLayout, 'features'>): readonly FeatureLayout[] {
  return features.filter((feature) => !isDerived(feature));
}
