import type { CurvePoint } from './curve.ts';
import type { Distribution } from './distribution.ts';
import type { EventLabels } from './event-labels.ts';
import type { Strength } from './strength.ts';

/** What trying features on a history came to. */
export interface TryReport {
  readonly subject: string;
  readonly seconds: number;
  readonly history: readonly {
    readonly source: string;
    readonly files: number;
    readonly bytes: number;
    /** Rows of the files: all of them were read. */
    readonly rows: number;
  }[];
  readonly rows: TriedRows;
  /** Null where none was named. */
  readonly label: TriedLabel | null;
  readonly blocks: readonly TriedBlock[];
  /** With a label by what they tell of it, the most first; else in the order of the service. */
  readonly features: readonly TriedFeature[];
  readonly notes: readonly string[];
}

/** The rows that features were read for. */
export interface TriedRows {
  readonly rows: number;
  /** ISO, of the earliest and the latest row. */
  readonly from: string;
  readonly to: string;
  readonly of:
    | {
        readonly kind: 'spine';
        readonly path: string;
        /** Combinations of join keys; null: they were not counted. */
        readonly keys: number;
        readonly ofKeys: number | null;
        readonly ofRows: number;
      }
    | ({ readonly kind: 'events' } & EventLabels);
}

/** What is to be told, and how often. */
export interface TriedLabel {
  readonly column: string;
  readonly kind: 'binary' | 'number' | 'category';
  /** Rows that have one. */
  readonly rows: number;
  readonly nulls: number;
  /** Of a binary label, which of the two values counts as yes, and how many rows have it. */
  readonly positive: { readonly value: string; readonly negative: string; readonly rows: number } | null;
  /** Of categories, how many. */
  readonly categories: number | null;
}

/** What a service has under one name: a view, or a role of it. */
export interface TriedBlock {
  readonly block: string;
  readonly view: string;
  readonly rows: number;
  /** Rows whose entity had an event before them. */
  readonly found: number;
}

/** One feature over the rows of its block. */
export interface TriedFeature {
  /** `<view or role>__<feature>`, as in a training set. */
  readonly column: string;
  readonly block: string;
  readonly feature: string;
  readonly type: string;
  readonly rows: number;
  /** Rows with nothing to read, also where the feature has a default for them. */
  readonly nulls: number;
  readonly errors: Readonly<Record<string, number>>;
  /** Null where there is no value. */
  readonly distribution: Distribution | null;
  /** Null without a label. */
  readonly strength: Strength | null;
  /** Null without a label, and of one that is a category; of a sensitive number. */
  readonly curve: readonly CurvePoint[] | null;
  /** Of a binary label, its share of yes among rows without a value and with one; null where there are not both. */
  readonly absence: Absence | null;
}

export interface Absence {
  readonly without: ShareOf;
  readonly with: ShareOf;
  /** Whether the two intervals (95 %, Wilson) do not meet: then it tells that there is no value. */
  readonly isTold: boolean;
}

/** So many of so many. */
export interface ShareOf {
  readonly hits: number;
  readonly of: number;
}
