import type pg from 'pg';
import type { CompiledView } from '../define/compiled-view.ts';
import type { Clock } from '../values/clock.ts';
import type { LogReader } from '../topic/log-reader.ts';

/** Who may write. `(generation, attemptMs)` is compared as a pair: the greater one wins, for ever. */
export interface Fence {
  /** Counted up by the workflow for each slice. */
  readonly generation: number;
  /** When the server scheduled this attempt, epoch ms. */
  readonly attemptMs: number;
  /** For people: which worker holds the partitions. */
  readonly owner: string;
}

/** Bounds of a stream's work; each has a default. */
export interface StreamLimits {
  /** A micro-batch closes at this many records … */
  readonly batchRecords: number;
  /** … or this long after its first record. */
  readonly batchMs: number;
  /** Under backlog a micro-batch grows up to this many records. */
  readonly maxBatchRecords: number;
  /** Encoded bytes of entity states kept in memory, where they take 10 to 25 times that (engine/state/state-size.ts). */
  readonly cacheBytes: number;
  /** How often the ends of the partitions are looked up while nothing arrives, for lag and for new partitions. */
  readonly boundsEveryMs: number;
  /** How often offsets are reported to Kafka's group, for lag tools. */
  readonly reportEveryMs: number;
  /** How often `onProgress` is called. */
  readonly progressEveryMs: number;
  /** Waits between attempts to reach a database or a broker that is down: doubling between these. */
  readonly retryMinMs: number;
  readonly retryMaxMs: number;
  /** How often expired dedupe ids are deleted. */
  readonly expireEveryMs: number;
}

export const DEFAULT_STREAM_LIMITS: StreamLimits = {
  batchRecords: 2_000,
  batchMs: 50,
  maxBatchRecords: 20_000,
  cacheBytes: 96 * 1024 * 1024,
  boundsEveryMs: 5_000,
  reportEveryMs: 5_000,
  progressEveryMs: 1_000,
  retryMinMs: 100,
  retryMaxMs: 5_000,
  expireEveryMs: 60_000,
};

/** Points of the loop at which a test may make it fail: what is thrown there is treated as the process dying there. */
export type FailPoint = 'after-fetch' | 'after-cas' | 'before-commit' | 'after-commit';

export interface RunStreamOptions {
  readonly view: CompiledView;
  readonly version: number;
  readonly pool: pg.Pool;
  readonly reader: LogReader;
  readonly fence: Fence;
  /** The partitions to run; default all, those added later included. */
  readonly partitions?: readonly number[] | undefined;
  /** `present-end`: stop at the offsets that were the end when the run began (a refresh). */
  readonly until: 'forever' | 'present-end';
  /** Budget in monotonic ms from the call on. */
  readonly deadlineMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly clock: Clock;
  /** Called every `progressEveryMs`, whatever the run waits for. What it throws ends the run. */
  readonly onProgress?: ((progress: StreamProgress) => void) | undefined;
  readonly limits?: Partial<StreamLimits> | undefined;
  /** For tests. */
  readonly failAt?: ((point: FailPoint) => void | Promise<void>) | undefined;
}

export interface StreamProgress {
  /** Committed by this run. */
  readonly records: number;
  readonly lag: number;
  readonly watermarkUs: number | null;
  readonly recordsPerSecond: number;
  readonly offsets: readonly { readonly partition: number; readonly nextOffset: number; readonly endOffset: number }[];
  readonly invalid: number;
  readonly state: 'claiming' | 'running' | 'waiting';
  /** While waiting: the message of what failed. */
  readonly waitingFor?: string | undefined;
}

export interface StreamResult {
  readonly ended: 'deadline' | 'aborted' | 'present-end' | 'superseded';
  /** Records committed by this run, and of these the ones applied to a state. */
  readonly records: number;
  readonly applied: number;
  readonly lag: number;
  readonly watermarkUs: number | null;
}
