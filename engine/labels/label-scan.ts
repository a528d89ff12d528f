import type pg from 'pg';
import type { CompiledLabelSet } from '../define/compiled-label-set.ts';
import type { Row } from '../define/compiled-view.ts';
import type { LabelScalar } from '../define/label-set.ts';
import type { InvalidRecord } from '../admission/invalid-record.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import type { Label } from '../evidence/label-rule.ts';
import type { MemoryBudget } from '../memory/memory-budget.ts';
import type { Cut } from '../topic/cut.ts';
import type { LogReader } from '../topic/log-reader.ts';
import type { Clock } from '../values/clock.ts';

/** What a scan of labels is told. Times are UTC epoch microseconds. */
export interface LabelScanOptions {
  readonly labels: CompiledLabelSet;
  /** `withArchive(...)` for all that was ever decided and came of it, Kafka's own for what the topics still hold. */
  readonly reader: LogReader;
  readonly clock: Clock;
  /** A folder for spilled data, which outlives the scan. */
  readonly spillDir: string;
  /** Decisions of [fromUs, untilUs) by their own time. */
  readonly fromUs: number;
  readonly untilUs: number;
  /** When the labels are asked for. Default, and at most: the latest time for which they can be told (`latestAsOfUs`). */
  readonly asOfUs?: number | undefined;
  /** The catalog: how far the outcomes are archived, and what was told of them before. Left out: what the topic holds counts as archived. */
  readonly pool?: pg.Pool | undefined;
  /** Leaves decisions out. Default: all count. */
  readonly where?: ((decision: Row) => boolean) | undefined;
  /** How far the logs are read, by source, and the time told then: of a scan to repeat. Left out: up to their present ends. */
  readonly pinned?: LabelPin | undefined;
  /** A session of a batch that has its turn at DuckDB (`withBatchMemory`). Left out: the scan takes its own. */
  readonly duckdb?: DuckDb | undefined;
  readonly memory?: MemoryBudget | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told what it waits for, and null once it goes on. */
  readonly onWait?: ((text: string | null) => void) | undefined;
  readonly onProgress?: ((progress: LabelProgress) => void) | undefined;
  /** Told of records that break their contract, and of those on which a function of the label set fails. */
  readonly onInvalid?: ((record: InvalidRecord) => void) | undefined;
}

/** Where a scan stands. */
export interface LabelProgress {
  readonly phase: 'decisions' | 'outcomes' | 'join' | 'labels';
  /** Records passed; of `labels`, decisions. */
  readonly done: number;
  /** Null while unknown. */
  readonly total: number | null;
}

/** What a scan read, and up to when it told labels: it can be repeated by that. */
export interface LabelPin {
  readonly decisions: Cut | null;
  readonly outcomes: Cut | null;
  readonly asOfUs: number;
}

/** A decision and what came of it. */
export interface LabelledDecision {
  readonly id: string;
  readonly timeUs: number;
  /** By the contract of the decisions. */
  readonly row: Row;
  /** Of a shadow, that of the decision it shadows. */
  readonly label: Label<LabelScalar>;
}

/** What became of the decisions and outcomes. */
export interface LabelCounts {
  /** Of [from, until), those that `where` keeps, each id once. */
  decisions: number;
  mature: number;
  immature: number;
  /** Mature, without outcomes, where such are left out. */
  leftOut: number;
  labelled: number;
  /** Outcomes that were known too late to count, by the decisions they are of. */
  afterMaturity: number;
  /** Outcomes that count by the time they say they were known, though their records came after maturity. */
  arrivedLate: number;
  /** Records of an id that there is already. */
  duplicates: number;
  /** Records that break their contract, and outcomes on which a function of the label set fails. */
  invalid: number;
}

/** Decisions with their labels, in the order of (time, id), in batches. */
export interface LabelScan extends AsyncIterable<LabelledDecision[]> {
  readonly asOfUs: number;
  readonly pin: LabelPin;
  /** Final once the scan has ended. */
  readonly counts: Readonly<LabelCounts>;
  /** Gives up what it holds; done by itself where it is iterated to its end, or left. Safe to call twice. */
  close(): Promise<void>;
}
