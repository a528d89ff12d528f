import type pg from 'pg';
import type { CompiledView } from '../define/compiled-view.ts';
import {
  DEFAULT_SLICE_LIMITS,
  type SliceEnd,
  type SliceLimits,
  type SliceOptions,
  type SliceProgress,
} from '../slice/slice-options.ts';
import type { Waiting } from '../slice/wait-watch.ts';
import type { MemoryBudget } from '../memory/memory-budget.ts';
import type { NewCommitId } from '../postgres/commit-id.ts';
import type { LogReader } from '../topic/log-reader.ts';
import type { MicroBatch } from './micro-batch.ts';
import type { CacheLimits } from './state-cache.ts';

/** Bounds of a stream's work; each has a default. */
export interface StreamLimits extends SliceLimits {
  /** A micro-batch closes at this many records … */
  readonly batchRecords: number;
  /** … or this long after its first record. */
  readonly batchMs: number;
  /** Under backlog a micro-batch grows up to this many records. */
  readonly maxBatchRecords: number;
  /** A micro-batch closes at this much memory of records, or one record; at most a sixteenth of what there is for records on their way in. */
  readonly batchBytes: number;
  /** Bytes of memory of the entity states that are kept decoded, and of those that are kept encoded, as far as the budget has them. */
  readonly cache: CacheLimits;
  /** How often the ends of the partitions are looked up while nothing arrives, for lag and for new partitions. */
  readonly boundsEveryMs: number;
  /** How often offsets are reported to Kafka's group, for lag tools. */
  readonly reportEveryMs: number;
  /** How often expired dedupe ids are deleted, and how often is looked whether rows of expired entities are to go. */
  readonly expireEveryMs: number;
  /** Between two steps that remove rows of expired entities … */
  readonly sweepEveryMs: number;
  /** … and the pages of the state table that one looks at. */
  readonly sweepPages: number;
}

export const DEFAULT_STREAM_LIMITS: StreamLimits = {
  ...DEFAULT_SLICE_LIMITS,
  batchRecords: 2_000,
  batchMs: 50,
  maxBatchRecords: 20_000,
  batchBytes: 16 * 1024 * 1024,
  cache: { decoded: 128 * 1024 * 1024, encoded: 512 * 1024 * 1024 },
  boundsEveryMs: 5_000,
  reportEveryMs: 5_000,
  expireEveryMs: 60_000,
  sweepEveryMs: 250,
  sweepPages: 128,
};

/** Points of the loop at which a test may make it fail: what is thrown there is treated as the process dying there. */
export type FailPoint =
  | 'after-fetch'
  | 'after-cas'
  | 'before-commit'
  | 'after-commit'
  | 'before-sweep-commit'
  | 'after-sweep';

/** `until: 'present-end'` is a refresh. */
export interface RunStreamOptions extends SliceOptions {
  readonly view: CompiledView;
  readonly version: number;
  readonly pool: pg.Pool;
  readonly reader: LogReader;
  /** The partitions to run, or which; default all, those added later included. */
  readonly partitions?: readonly number[] | ((partition: number) => boolean) | undefined;
  /**
   * What the caller knows of the stream's last records: the run ends, as at its deadline, once it is otherwise, so that the caller may say so. Left out: it goes
   * on.
   */
  readonly mostlyInvalid?: boolean | undefined;
  /** Called every `progressEveryMs`, whatever the run waits for. What it throws ends the run. */
  readonly onProgress?: ((progress: StreamProgress) => void) | undefined;
  /** Told of the dead letters of each micro-batch once they are committed. */
  readonly onDeadLetters?: ((letters: MicroBatch['deadLetters']) => void) | undefined;
  readonly limits?: Partial<StreamLimits> | undefined;
  /** What states, ids and records are counted in. Default that of the process. */
  readonly memory?: MemoryBudget | undefined;
  /** Gives each commit its id. Default: random ones. */
  readonly newCommitId?: NewCommitId | undefined;
  /** For tests. */
  readonly failAt?: ((point: FailPoint) => void | Promise<void>) | undefined;
}

export interface StreamProgress extends SliceProgress {
  readonly watermarkUs: number | null;
  readonly invalid: number;
  /** More than half of the last 20 records of some partition are invalid. */
  readonly mostlyInvalid: boolean;
  readonly memory: StreamMemoryUse;
}

/** What a stream holds of memory, in counted bytes. */
export interface StreamMemoryUse {
  /** Records that were read and are not committed. */
  readonly intake: number;
  /** States of entities, decoded and encoded. */
  readonly states: number;
  /** Ids of events, remembered to tell duplicates. */
  readonly ids: number;
}

export interface StreamResult {
  readonly ended: SliceEnd;
  /** Records committed by this run, and of these the ones applied to a state. */
  readonly records: number;
  readonly applied: number;
  /** To the topic's real end, and of it what an open transaction holds back. */
  readonly lag: number;
  readonly held: number;
  readonly watermarkUs: number | null;
  /** More than half of the last 20 records of some partition are invalid. */
  readonly mostlyInvalid: boolean;
  /** What it waited for as it ended. */
  readonly waiting: Waiting | null;
}
