import type pg from 'pg';
import type { CompiledSource } from '../define/compiled-view.ts';
import {
  DEFAULT_SLICE_LIMITS,
  type SliceEnd,
  type SliceLimits,
  type SliceOptions,
  type SliceProgress,
} from '../slice/slice-options.ts';
import type { Waiting } from '../slice/wait-watch.ts';
import type { MemoryBudget } from '../memory/memory-budget.ts';
import type { LogReader } from '../topic/log-reader.ts';

/** When what was read becomes a file: at the first of these. */
export interface RollLimits {
  readonly rows: number;
  /** Of keys and values, as the topic has them. */
  readonly bytes: number;
  /** Since the first record of the file was read. */
  readonly ageMs: number;
}

export const DEFAULT_ROLL: RollLimits = { rows: 500_000, bytes: 64 * 1024 * 1024, ageMs: 5 * 60_000 };

/** Bounds of an archiver's work; each has a default. */
export interface ArchiveLimits extends SliceLimits {
  /** How often the topic is looked at for new partitions. */
  readonly boundsEveryMs: number;
}

export const DEFAULT_ARCHIVE_LIMITS: ArchiveLimits = {
  ...DEFAULT_SLICE_LIMITS,
  boundsEveryMs: 10_000,
};

/** Points of the loop at which a test may make it fail: what is thrown there is treated as the process dying there. */
export type ArchiveFailPoint =
  | 'after-fetch'
  | 'after-write'
  | 'after-rename'
  | 'after-cas'
  | 'before-commit'
  | 'after-commit';

/** What was read until the deadline, an abort or the present end is still written. */
export interface RunArchiveOptions extends SliceOptions {
  readonly source: CompiledSource;
  /** The topic's own reader, not one that reads the archive. */
  readonly reader: LogReader;
  readonly pool: pg.Pool;
  /** One folder that all workers share; made if missing. */
  readonly archiveDir: string;
  readonly roll?: Partial<RollLimits> | undefined;
  readonly limits?: Partial<ArchiveLimits> | undefined;
  /** What it reserves from. Default that of the process. */
  readonly memory?: MemoryBudget | undefined;
  /** Called every `progressEveryMs`, whatever the run waits for. What it throws ends the run. */
  readonly onProgress?: ((progress: ArchiveProgress) => void) | undefined;
  /** A name part nobody else chooses. Default a random UUID. */
  readonly newId?: (() => string) | undefined;
  /** For tests. */
  readonly failAt?: ((point: ArchiveFailPoint) => void | Promise<void>) | undefined;
}

/** Offsets that were gone before they could be archived. */
export interface ArchiveHole {
  readonly partition: number;
  readonly fromOffset: number;
  /** Exclusive. */
  readonly untilOffset: number;
  readonly reason: HoleReason;
}

/** `before-archiving`: gone when archiving began · `retention`: the topic deleted them before the archiver came by. */
export type HoleReason = 'before-archiving' | 'retention';

export interface ArchiveProgress extends SliceProgress {
  /** Archived by this run, in how many files. */
  readonly files: number;
  /** Read and not archived yet. */
  readonly buffered: number;
  /** Holes this run had to record. */
  readonly holes: readonly ArchiveHole[];
}

export interface ArchiveResult {
  readonly ended: SliceEnd;
  readonly records: number;
  readonly files: number;
  readonly lag: number;
  readonly holes: readonly ArchiveHole[];
  /** What it waited for as it ended. */
  readonly waiting: Waiting | null;
}
