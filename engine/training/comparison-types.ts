/**
 * Why a label's values differ between what was known by event time and what was served: which events of its entity are in one and not in the other.
 *
 * - `producer-lag`: they happened before the label's time and came to the log after it.
 * - `pipeline-lag`: they were in the log by the label's time and were committed after it.
 * - `ahead`: they were applied by the label's time, and their event time is not before it.
 * - `not-published`: the label is of a time at which the view was not served at all.
 *
 * What a service derived has the kinds of what it derived of; by other code than the present it may differ without any.
 */
export type LagKind = 'producer-lag' | 'pipeline-lag' | 'ahead' | 'not-published';

export const LAG_KINDS: readonly LagKind[] = ['producer-lag', 'pipeline-lag', 'ahead', 'not-published'];

/** How one feature differs between the modes. */
export interface ComparedFeature {
  /** Or the service, of what it derived. */
  readonly view: string;
  /** Of which it is a feature; left out: of the view itself. */
  readonly role?: string | undefined;
  readonly feature: string;
  /** `<view or role>__<feature>`. */
  readonly column: string;
  readonly labels: number;
  readonly differing: number;
  /** `differing / labels`. */
  readonly share: number;
  /** Of the differing labels that have a number in both modes; null for features that are no numbers, or without such a label. */
  readonly absolute: { readonly labels: number; readonly mean: number; readonly max: number } | null;
  /** Differing labels whose value is null in that mode only. */
  readonly nullEventTime: number;
  readonly nullAsServed: number;
  /** Differing labels per kind of lag; a label may have several. */
  readonly kinds: Readonly<Record<LagKind, number>>;
  /** The same, each label counted once: under its kind, `several`, or `other` (none was found). They add up to `differing`. */
  readonly split: Readonly<Record<LagKind | 'several' | 'other', number>>;
}

/** The price of a training set by event time: how far it is from what was served, in the user's own data. */
export interface ModeComparison {
  readonly labels: number;
  /** Labels of which any feature differs. */
  readonly labelsDiffering: number;
  readonly features: readonly ComparedFeature[];
}
