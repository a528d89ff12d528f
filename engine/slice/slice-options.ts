import { type PartitionEnds, realEnd } from '../topic/log-reader.ts';
import type { Clock } from '../values/clock.ts';
import type { Fence } from './fence.ts';
import type { Waiting } from './wait-watch.ts';

/** What every time-sliced run over a topic's partitions is told. */
export interface SliceOptions {
  readonly fence: Fence;
  /** `present-end`: stop at the offsets that were the end when the run began. */
  readonly until: 'forever' | 'present-end';
  /** Budget in monotonic ms from the call on. */
  readonly deadlineMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly clock: Clock;
  /**
   * What the caller knows the run to wait for, null where for nothing: the run ends, as at its deadline, once it is otherwise, so that the caller may
   * say so. Left out: it goes on.
   */
  readonly waiting?: Waiting | null | undefined;
}

/** How often a run reports and tries again. */
export interface SliceLimits {
  /** How often `onProgress` is called, whatever the run waits for. */
  readonly progressEveryMs: number;
  /** Waits between attempts to reach a database or a broker that is down: doubling between these. */
  readonly retryMinMs: number;
  readonly retryMaxMs: number;
  /** A wait shorter than this is no news. */
  readonly tellWaitAfterMs: number;
  /** Errors that nobody named end the run at this many in a row: they may pass, and they may be bugs. */
  readonly unnamedTries: number;
  /** An open transaction that holds a partition back for less than this is no news: producers of transactions have one open at all times. */
  readonly tellHeldAfterMs: number;
}

export const DEFAULT_SLICE_LIMITS: SliceLimits = {
  progressEveryMs: 1_000,
  retryMinMs: 100,
  retryMaxMs: 5_000,
  tellWaitAfterMs: 5_000,
  unnamedTries: 1,
  tellHeldAfterMs: 30_000,
};

/** Where a run stands in a partition: the next offset to commit, and the topic's ends as last seen. */
export interface SliceOffset extends PartitionEnds {
  readonly partition: number;
  readonly nextOffset: number;
}

/** What every run reports of itself. */
export interface SliceProgress {
  /** Committed by this run. */
  readonly records: number;
  readonly lag: number;
  /** As `heldOf` counts. */
  readonly held: number;
  readonly recordsPerSecond: number;
  /** How often the run's loop has come round: a report alone says only that the process lives. */
  readonly turns: number;
  readonly offsets: readonly SliceOffset[];
  readonly state: 'claiming' | 'running' | 'waiting';
  /** While waiting: the message of what failed. */
  readonly waitingFor?: string | undefined;
  /** What has been waited for, and nothing was done since. */
  readonly waiting?: Waiting | null | undefined;
}

/** Why a run ended; `superseded`: a newer token holds what it worked on. */
export type SliceEnd = 'deadline' | 'aborted' | 'present-end' | 'superseded';

/** Records that are in the topic and not committed, those behind an open transaction included. */
export function lagOf(offsets: readonly SliceOffset[]): number {
  return offsets.reduce((sum, offset) => sum + realEnd(offset) - offset.nextOffset, 0);
}

/** Of these, the ones that nobody is given yet: they stand behind the beginning of an open transaction. */
export function heldOf(offsets: readonly SliceOffset[]): number {
  return offsets.reduce((sum, offset) => sum + realEnd(offset) - Math.max(offset.endOffset, offset.nextOffset), 0);
}
