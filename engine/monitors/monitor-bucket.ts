/**
 * Where along the path something was looked at: records as they came, what a view kept of them, a version's states, what was answered. Decisions and
 * outcomes are sources.
 */
export type MonitorPlace = 'source' | 'view' | 'store' | 'served';

/** A part of what is looked at. The partition of a record always is one, named `partition`; `other` holds what has no place of its own. */
export interface MonitorSegment {
  readonly name: string;
  readonly value: string;
}

/** What is looked at: with no field, its records (or reads) themselves; with no segment, the whole. */
export interface MonitorSubject {
  readonly place: MonitorPlace;
  /** Name of the source, view or service. */
  readonly object: string;
  /** A field of the contract, a feature (`view.feature` for a service), or null. */
  readonly field: string | null;
  readonly segment: MonitorSegment | null;
}

/** Length of a bucket. Hours become days after 8 days, days weeks after 8 weeks; weeks begin on Monday, UTC. */
export type MonitorGrain = 'hour' | 'day' | 'week';

/** What one bucket of event time tells of one subject; a function of the set of its records. */
export interface MonitorBucket extends MonitorSubject {
  readonly grain: MonitorGrain;
  readonly beginMs: number;
  /** Records, or values with nulls among them, in the bucket. */
  readonly count: number;
  /** Of a field, else null. */
  readonly values: ValueSummary | null;
  /** Of records, else null. */
  readonly records: RecordSummary | null;
}

/** How a field's values are. */
export interface ValueSummary {
  readonly nulls: number;
  /** Numbers alone, else null. Sums are exact, and rounded once. */
  readonly numbers: { readonly sum: number; readonly squares: number; readonly zeros: number } | null;
  /** Bucket of the quantile sketch (`reduce/quantile-buckets`, accuracy 1 %) and how many values; null: not kept, or not numbers. */
  readonly bins: ReadonlyMap<number, number> | null;
  /** The most frequent texts, how many times; `others`: those not named. Null: not kept, or not texts. */
  readonly top: { readonly counts: ReadonlyMap<string, number>; readonly others: number } | null;
  /** Estimate; null: not kept. */
  readonly distinct: number | null;
}

/** How the records of a source were (or the reads of a view or service). */
export interface RecordSummary {
  /** Records that are none to the contract, by reason; they have no event time and count in the hour of their broker's time. */
  readonly invalid: ReadonlyMap<string, number>;
  /** Repeated ids, late ones, and whatever else was left out, by reason. */
  readonly leftOut: ReadonlyMap<string, number>;
  /** Sum of broker time less event time, over the valid ones. */
  readonly lagSumMs: number;
  /** For reads: those whose entity was found. Null for records. */
  readonly found: number | null;
}
