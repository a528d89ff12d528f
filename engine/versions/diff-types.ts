import type { CompiledView } from '../define/compiled-view.ts';
import type { HistoryListings } from '../history/history-listing.ts';
import type { HistoryReads } from '../history/named-history.ts';
import type { MemoryBudget } from '../memory/memory-budget.ts';
import type { Cut } from '../topic/cut.ts';
import type { LogReader } from '../topic/log-reader.ts';
import type { CellJson } from '../values/cell-json.ts';
import type { JsonValue } from '../values/json-values.ts';
import type { Quantiles } from './quantiles.ts';
import type { Interval } from '../statistics/wilson.ts';

/** One of the two: a version with its code, or a definition that no version was built of yet. */
export interface DiffSide {
  readonly view: CompiledView;
  /** Null of a definition. */
  readonly version: number | null;
  /** Which files of its history: exactly these; null: none; left out: those that there are now. */
  readonly reads?: HistoryReads | null | undefined;
  /** How far its topic is read; null: not at all. */
  readonly cut: Cut | null;
}

export interface DiffOptions {
  readonly before: DiffSide;
  readonly after: DiffSide;
  /** All entities up to so many, else so many by the hash of their key. Default 200,000. */
  readonly entities?: number | undefined;
  /** Epoch µs the values are read at; what happened then or later counts for neither. Default: just after the newest event of both. */
  readonly atUs?: number | undefined;
  /** Null where neither reads a topic. */
  readonly reader: LogReader | null;
  readonly listings: HistoryListings;
  /** Folder for what does not fit in memory. */
  readonly spillDir: string;
  /** What it shares with the rest of the process: it waits for its least of it, and compares fewer entities where their states would not fit. Default: the process's own. */
  readonly memory?: MemoryBudget | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called where it waits for memory, with what for; with null once it goes on. */
  readonly onWait?: ((text: string | null) => void) | undefined;
  readonly onProgress?: ((progress: DiffProgress) => void) | undefined;
}

export interface DiffProgress {
  readonly phase: 'replay' | 'compare';
  /** Records, or entities. */
  readonly done: number;
  /** Null while unknown. */
  readonly total: number | null;
}

/** Where the events of the log went in one of the two. */
export interface SideCounts {
  applied: number;
  filtered: number;
  nullKey: number;
  /** Records that one of the view's own functions failed on. */
  invalid: number;
}

export interface SideFigures {
  readonly version: number | null;
  readonly fingerprint: string;
  readonly counts: Readonly<SideCounts>;
}

/** An entity whose value differs. Sensitive ones are hashed. */
export interface DiffExample {
  readonly entity: Readonly<Record<string, JsonValue>>;
  readonly before: CellJson;
  readonly after: CellJson;
}

/** How a feature that both have, of one type, differs. */
export interface ComparedFeature<Example extends DiffExample = DiffExample> {
  readonly feature: string;
  readonly type: string;
  readonly cells: number;
  readonly differing: number;
  /** `differing / cells`. */
  readonly share: number;
  /** What the share is among all entities, with 95 %; the share itself where all were compared. */
  readonly interval: Interval;
  readonly nullToValue: number;
  readonly valueToNull: number;
  /** Cells of which one is an error, or both, of two kinds. */
  readonly errors: number;
  /** Of numbers that differ; null where none do. */
  readonly numbers: {
    readonly cells: number;
    /** After less before. */
    readonly difference: Quantiles;
    /** The same, by the larger of both: from -2 to 2. */
    readonly relative: Quantiles;
  } | null;
  readonly examples: readonly Example[];
}

/** What two versions of a view say at one prefix of the log and at one time. */
export interface VersionsDiff {
  readonly view: string;
  readonly before: SideFigures;
  readonly after: SideFigures;
  /** ISO; null where there was no event, and nothing to compare. */
  readonly at: string | null;
  readonly entities: number;
  /** False where not all entities were compared. */
  readonly isWhole: boolean;
  /** Entities of those that have events in one of the two only. */
  readonly entitiesOnlyBefore: number;
  readonly entitiesOnlyAfter: number;
  readonly cells: number;
  readonly differing: number;
  /** That both have, of one type; in the order of `after`. */
  readonly features: readonly ComparedFeature[];
  readonly onlyBefore: readonly string[];
  readonly onlyAfter: readonly string[];
  /** That both have, of two types: nothing of them can be equal. */
  readonly retyped: readonly { readonly feature: string; readonly before: string; readonly after: string }[];
  /** Why nothing was compared; null where it was. */
  readonly incomparable: string | null;
  /** Where the two read different logs, or less of it than there is: what differs may come of that alone. */
  readonly logs: readonly string[];
  /** Whether one scan of the log was enough. */
  readonly isOneScan: boolean;
}
