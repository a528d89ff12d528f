import type pg from 'pg';
import type { CompiledSource } from '../define/compiled-view.ts';
import type { Clock } from '../values/clock.ts';
import type { LogReader } from '../topic/log-reader.ts';

/** Who may write. `(generation, attemptMs)` is compared as a pair: the greater one wins, for ever. */
export interface ArchiveFence {
  /** Counted up by the workflow for each slice. */
  readonly generation: number;
  /** When the server scheduled this attempt, epoch ms. */
  readonly attemptMs: number;
  /** For people: which worker archives. */
  readonly owner: string;
}

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
export interface ArchiveLimits {
  /** How often the topic is looked at for new partitions. */
  readonly boundsEveryMs: number;
  readonly progressEveryMs: number;
  /** Waits between attempts to reach a database or a broker that is down: doubling between these. */
  readonly retryMinMs: number;
  readonly retryMaxMs: number;
  /** What DuckDB may hold in memory; beyond it spills into the archive's folder. */
  readonly memoryMb: number;
}

export const DEFAULT_ARCHIVE_LIMITS: ArchiveLimits = {
  boundsEveryMs: 10_000,
  progressEveryMs: 1_000,
  retryMinMs: 100,
  retryMaxMs: 5_000,
  memoryMb: 768,
};

/** Points of the loop at which a test may make it fail: what is thrown there is treated as the process dying there. */
export type ArchiveFailPoint =
  | 'after-fetch'
  | 'after-write'
  | 'after-rename'
  | 'after-cas'
  | 'before-commit'
  | 'after-commit';

export interface RunArchiveOptions {
  readonly source: CompiledSource;
  /** The topic's own reader, not one that reads the archive. */
  readonly reader: LogReader;
  readonly pool: pg.Pool;
  /** One folder that all workers share; made if missing. */
  readonly archiveDir: string;
  readonly fence: ArchiveFence;
  /** `present-end`: stop at the offsets that were the end when the run began. */
  readonly until: 'forever' | 'present-end';
  /** Budget in monotonic ms from the call on; what was read until then is still written. */
  readonly deadlineMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly clock: Clock;
  readonly roll?: Partial<RollLimits> | undefined;
  readonly limits?: Partial<ArchiveLimits> | undefined;
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

export interface ArchiveProgress {
  /** Archived by this run, in how many files. */
  readonly records: number;
  readonly files: number;
  /** Read and not archived yet. */
  readonly buffered: number;
  readonly lag: number;
  readonly recordsPerSecond: number;
  readonly offsets: readonly { readonly partition: number; readonly nextOffset: number; readonly endOffset: number }[];
  /** Holes this run had to record. */
  readonly holes: readonly ArchiveHole[];
  readonly state: 'claiming' | 'running' | 'waiting';
  /** While waiting: the message of what failed. */
  readonly waitingFor?: string | undefined;
}

export interface ArchiveResult {
  readonly ended: 'deadline' | 'aborted' | 'present-end' | 'superseded';
  readonly records: number;
  readonly files: number;
  readonly lag: number;
  readonly holes: readonly ArchiveHole[];
}
