import type { DerivedFailure, DerivedPlan } from '../derived/derive-step.ts';
import type { FeatureErrors } from '../values/feature-errors.ts';
import type { ScalarValue } from '../values/field-type.ts';
import type { JsonValue } from '../values/json-values.ts';
import type { FeatureTags } from '../define/feature-lock.ts';
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
  /** How long the version finds an entity after its newest event; undefined: for ever. */
  readonly expireUs?: number | undefined;
  /** Feature to tag, of all features of the version; null where it was made before there were tags. */
  readonly tags: FeatureTags | null;
  /** In layout order, or in that of the features asked for; null also where there is an error. */
  readonly values: ScalarValue[];
  /** Which of them have none because of an error, and which; null where there is none. */
  readonly errors: FeatureErrors | null;
  /** Whether the view has a state for the entity that has not expired, a corrupt one included. Without one counts are 0, and all else is null or its default. */
  readonly found: boolean;
  readonly asOfUs: number;
  /** The state holds events at or after `asOfUs`: the answer is not what was known then. False of a corrupt state. */
  readonly ahead: boolean;
  /** The commit that wrote the state last; 0 is the backfill, null where none was found. */
  readonly seq: number | null;
  /** The id of that commit, as text; the backfill's where none was found. Null where the row was written before there were ids. */
  readonly commitId: string | null;
  /** Age of the view's watermark at the time of the read, µs; null before the first event. */
  readonly freshnessUs: number | null;
}

/** What to read of a view, beside whose. */
export interface ReadOptions {
  /** Request time, UTC epoch µs. Default: the moment the state arrives. */
  readonly atUs?: number | undefined;
  /** Features to read, in this order. Default: all, in layout order. */
  readonly features?: readonly string[] | undefined;
  /** The code of derived features, where the reader brings it along; else that of the version is used. The same array every time: it is known by that. */
  readonly derived?: readonly DerivedPlan[] | undefined;
}

/** A derived feature whose function failed in a read, which has `derived-failed` for it. */
export interface DerivedFailed extends DerivedFailure {
  readonly view: string;
  readonly version: number;
  /** Join key name to value. */
  readonly entity: Readonly<Record<string, JsonValue>>;
}

/** A derived feature of a service whose function failed in a read, which has `derived-failed` for it. */
export interface ServiceDerivedFailed extends DerivedFailure {
  readonly service: string;
  readonly requestId: string;
}

/** Where the code of a version's derived features comes from, for a reader that has no definition of its own. */
export type DerivedCodeOf = (version: {
  readonly view: string;
  readonly fingerprint: string;
}) => Promise<readonly DerivedPlan[] | undefined>;

/** A stored state that gave an entity `state-corrupt` in place of its values. */
export interface CorruptRead {
  readonly view: string;
  readonly version: number;
  /** Join key name to value. */
  readonly entity: Readonly<Record<string, JsonValue>>;
  /** The commit that wrote the row last. */
  readonly seq: number | null;
  readonly reason: string;
}
