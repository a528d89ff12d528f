import type { MemoryBudget } from '../memory/memory-budget.ts';
import type pg from 'pg';
import type { CellJson } from '../values/cell-json.ts';
import type { JsonTree, JsonValue } from '../values/json-values.ts';
import type { ScalarValue } from '../values/field-type.ts';
import type { CompiledView } from '../define/compiled-view.ts';
import type { VersionCode } from '../define/version-code.ts';
import type { FeatureKind } from '../define/view-layout.ts';
import type { Clock } from '../values/clock.ts';
import type { LogReader } from '../topic/log-reader.ts';

export interface ExplainOptions {
  readonly view: string;
  /** The version that is explained is replayed by its own. */
  readonly code: VersionCode;
  readonly pool: pg.Pool;
  readonly reader: LogReader | null;
  readonly archiveDir: string | null;
  /** Join key values in layout order. */
  readonly key: readonly ScalarValue[];
  /** UTC epoch µs: what serving would have answered then. Default: now, from the store. */
  readonly atUs?: number | undefined;
  /** Records listed per feature at most, newest first. Default 20. */
  readonly maxRecords?: number | undefined;
  /** Tiles listed per feature at most, newest first. Default 50. */
  readonly maxTiles?: number | undefined;
  readonly spillDir: string;
  /** Default: the process's own. */
  readonly memory?: MemoryBudget | undefined;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number | null) => void) | undefined;
}

/** A record behind a number. */
export interface ExplainedRecord {
  /** -1 is the history, whose offset is the position. */
  readonly partition: number;
  readonly offset: number;
  /** ISO UTC with six decimals. */
  readonly eventTime: string;
  readonly eventId: string | null;
  /** What the feature took of it; true for a count of rows. */
  readonly value: JsonValue;
  /** Of `minBy` and `maxBy`, what it was ordered by. */
  readonly order?: JsonValue | undefined;
  /** Of a feature that `.by` divides: the event's category. */
  readonly category?: JsonValue | undefined;
  /** The commit that applied it; 0 is the backfill. */
  readonly seq: number;
}

/** One tile of a feature's window: what it holds of that feature. */
export interface ExplainedTile {
  readonly index: number;
  /** ISO UTC [from, until) of the event times it covers; null for a lifetime feature. */
  readonly from: string | null;
  readonly until: string | null;
  /** The feature's value over this tile alone, or that this does not fit its type. */
  readonly value: CellJson;
}

export interface ExplainedFeature {
  readonly name: string;
  /** `derived`: made of other features when they are read. */
  readonly aggregate: FeatureKind;
  /** A field's name or the text of the row function, two of minBy and maxBy; null for `count()`; of a derived feature its function. */
  readonly input: string | null;
  /** Seconds; null for a lifetime feature. */
  readonly windowSeconds: number | null;
  readonly hopSeconds: number | null;
  /** How long before `asOf` its window ends; undefined: with it. */
  readonly agoSeconds?: number | undefined;
  /** What is read where there is nothing, in its JSON form; undefined: null. */
  readonly default?: NonNullable<JsonTree> | undefined;
  /** What readers get: the value, or the error that stands beside a null. */
  readonly value: CellJson;
  /** What a replay of the log gives; differs from `value` only where parity is broken. */
  readonly replayed: CellJson;
  /** Newest first; none of a corrupt state. */
  readonly tiles: readonly ExplainedTile[];
  readonly moreTiles: number;
  /** Newest first, those with a value for the feature. */
  readonly records: readonly ExplainedRecord[];
  readonly moreRecords: number;
  /** For min, max, first, last, minBy, maxBy: the record whose value it is. */
  readonly deciding: ExplainedRecord | null;
  /** Of a derived feature what its function read, by name, and why it failed where it did; undefined of others, and of a corrupt state. */
  readonly derivedFrom?: {
    readonly values: Readonly<Record<string, CellJson>>;
    readonly failure: string | null;
  };
}

export interface Explanation {
  readonly view: string;
  readonly version: number;
  readonly fingerprint: string;
  readonly entity: Readonly<Record<string, JsonValue>>;
  /** `store`: the row readers get now · `replay`: what they got then. */
  readonly from: 'store' | 'replay';
  /** ISO UTC: the time the values are of. */
  readonly asOf: string;
  readonly found: boolean;
  /** Since when a read finds nothing, ISO UTC: from then on its newest event is too old. Null where it has not expired. */
  readonly expired: string | null;
  /** Why the stored state is corrupt, so that readers get `state-corrupt` of every feature; null where it is sound. */
  readonly corrupt: string | null;
  readonly ahead: boolean;
  /** The commit that wrote the entity's state last, expired or not; null without a state. */
  readonly seq: number | null;
  readonly lag: {
    /** The view's newest commit readers saw, and when it was made (ISO UTC; null for the backfill). */
    readonly commit: number;
    readonly committedAt: string | null;
    /** Newest event of the entity that had been applied. */
    readonly newestEventTime: string | null;
    /** Where each partition stood. */
    readonly offsets: readonly { readonly partition: number; readonly nextOffset: number }[];
    /** Events of the topic that were there by then (by broker timestamp) and not applied; now: records; null where that cannot be told. */
    readonly recordsBehind: number | null;
    /** Records of this entity before `asOf` that were applied only later: a training set by event time has them, serving had not. */
    readonly appliedLater: { readonly count: number; readonly records: readonly Omit<ExplainedRecord, 'value'>[] };
  };
  readonly features: readonly ExplainedFeature[];
}

/** The same, and the code it was replayed by. */
export interface Explained extends Explanation {
  readonly replayedBy: CompiledView;
}
