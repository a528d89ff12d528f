import type { ScalarValue } from '../values/field-type.ts';
import type { FeatureLayout, ViewLayout } from '../define/view-layout.ts';

/** One entity's answer from one view. */
export interface ViewRead {
  readonly view: string;
  readonly fingerprint: string;
  readonly version: number;
  /** Tells layouts apart: the first 32 bits of the layout's digest. */
  readonly layoutTag: number;
  /** The join keys, in layout order. */
  readonly keys: ViewLayout['keys'];
  /** The features of `values`, in their order. */
  readonly features: readonly FeatureLayout[];
  /** In layout order, or in that of the features asked for. */
  readonly values: ScalarValue[];
  /** Whether the view has a state for the entity. Without one counts are 0 and all else is null. */
  readonly found: boolean;
  readonly asOfUs: number;
  /** The state holds events at or after `asOfUs`: the answer is not what was known then. */
  readonly ahead: boolean;
  /** The commit that wrote the state last; 0 is the backfill, null where there is none. */
  readonly seq: number | null;
  /** Age of the view's watermark at the time of the read, µs; null before the first event. */
  readonly freshnessUs: number | null;
}

/** What to read of a view, beside whose. */
export interface ReadOptions {
  /** Request time, UTC epoch µs. Default: the moment the state arrives. */
  readonly atUs?: number | undefined;
  /** Features to read, in this order. Default: all, in layout order. */
  readonly features?: readonly string[] | undefined;
}
