import { defineQuery, defineUpdate } from '@temporalio/workflow';
import type { Failure } from '../failure.ts';
import type { Waiting } from '../waits.ts';
import { installationOfQueue } from '../../engine/installation/installation-names.ts';
import { TASK_QUEUE } from '../task-queues.ts';

/** The built-in source of the serving log; every installation has one of this name. */
const SERVED_SOURCE = 'millrace_served';

/**
 * The one id a source's archive may have: uniqueness of its owner rests on it. The serving log, which every installation calls the
 * same, is told apart by the task queue of installations that share a namespace.
 */
export function archiveWorkflowId(source: string, taskQueue: string = TASK_QUEUE): string {
  const names = installationOfQueue(taskQueue);
  const id = names.archiveId(source);
  return source === SERVED_SOURCE && taskQueue !== names.taskQueue(TASK_QUEUE) ? `${id}:${taskQueue}` : id;
}

/** Settings of one archive; all optional in the input. */
export interface ArchiveOptions {
  /** How long one activity copies before small files are merged and the next takes over, in seconds. Default 600. */
  readonly sliceSeconds: number;
  /** A file is closed at this many records; null: the engine's default. */
  readonly rollRows: number | null;
  /** A file is closed when its first record has waited this long; null: the engine's default. */
  readonly rollSeconds: number | null;
  /** Continue as new after this many history events; null: when the server suggests it. */
  readonly maxHistoryEvents: number | null;
}

/** What the workflow is started with: one JSON object. */
export interface ArchiveInput {
  readonly source: string;
  readonly options?: Partial<ArchiveOptions> | undefined;
}

export type ArchivePhase =
  | 'starting'
  | 'archiving'
  | 'waiting'
  | 'pausing'
  | 'paused'
  | 'failed'
  | 'stopping'
  | 'stopped';

export const ARCHIVE_COMMANDS = ['pause', 'resume', 'retry', 'stop'] as const;
export type ArchiveCommand = (typeof ARCHIVE_COMMANDS)[number];

/** One sentence per command, shown in the Temporal UI's list and in the CLI's help. */
export const ARCHIVE_COMMAND_DESCRIPTIONS: Readonly<Record<ArchiveCommand, string>> = {
  pause: 'Copy nothing for now. What the topic drops meanwhile is a hole.',
  resume: 'Go on after a pause, at the very offset where it stopped.',
  retry: 'Try again what failed.',
  stop: 'End the archive. What is archived stays; started again, it goes on where it stopped.',
};

/** What a source is, as the worker's definitions and the catalog say. */
export interface ArchivePlan {
  readonly source: string;
  readonly topic: string;
  /** The highest fencing generation any archiver of this source has had. */
  readonly generation: number;
}

export interface ArchiveSliceInput {
  readonly source: string;
  readonly generation: number;
  readonly budgetMs: number;
  readonly rollRows: number | null;
  readonly rollSeconds: number | null;
  /** What the archive is known to wait for, null for nothing: the slice ends once it is otherwise. Left out: it goes on. */
  readonly waiting?: Waiting | null | undefined;
}

export interface ArchiveSliceSummary {
  readonly ended: 'deadline' | 'present-end' | 'aborted' | 'superseded' | 'worker-shutdown';
  readonly records: number;
  readonly files: number;
  readonly lag: number;
  /** What it waited for as it ended, null for nothing; left out by workers of the release before. */
  readonly waiting?: Waiting | null | undefined;
  /** The highest fencing generation in the catalog, where the slice was superseded. */
  readonly generation?: number | undefined;
}

/** What there is of one partition. Offsets are half-open: `until` is not in the range. */
export interface ArchivedPartition {
  readonly partition: number;
  /** The newest ones, of those there are. */
  readonly ranges: readonly { readonly from: number; readonly until: number }[];
  readonly rows: number;
  readonly files: number;
  readonly holes: readonly { readonly from: number; readonly until: number; readonly reason: string }[];
  readonly lag: number | null;
}

/** Over all partitions of a topic. */
export interface ArchiveSums {
  readonly partitions: number;
  readonly rows: number;
  readonly lag: number;
  /** Partitions that are behind. */
  readonly behind: number;
  /** Holes, and the offsets in them. */
  readonly holes: number;
  readonly lost: number;
}

/** What the housekeeping between two slices did and found. */
export interface ArchiveTended {
  /** Of a topic of many the twenty that are furthest behind, or have lost most. */
  readonly partitions: readonly ArchivedPartition[];
  /** Missing in what a worker of an earlier release says, whose `partitions` are all there are. */
  readonly sums?: ArchiveSums | undefined;
  /** Small files that were merged into larger ones. */
  readonly mergedFiles: number;
  /** Commit records of the source's views that went from Postgres to Parquet. */
  readonly rolledCommits: number;
}

/** The answer of the query `status` and of every update. */
export interface ArchiveStatus {
  readonly source: string;
  readonly topic: string | null;
  readonly phase: ArchivePhase;
  /** Records copied by ended slices of this workflow. */
  readonly records: number;
  /** As of the last ended slice; the live figures are in the running activity's heartbeat and in `millrace log`. */
  readonly lag: number | null;
  /** As in `ArchiveTended`; `millrace log` tells of all. */
  readonly partitions: readonly ArchivedPartition[];
  readonly sums?: ArchiveSums | undefined;
  readonly mergedFiles: number;
  readonly rolledCommits: number;
  /** What it waits for, and goes on by itself; missing of an archive of the release before. */
  readonly waitingFor?: Waiting | null | undefined;
  readonly error: Failure | null;
  readonly accepts: readonly ArchiveCommand[];
}

export const pauseArchiveUpdate = defineUpdate<ArchiveStatus>('pause');
export const resumeArchiveUpdate = defineUpdate<ArchiveStatus>('resume');
export const retryArchiveUpdate = defineUpdate<ArchiveStatus>('retry');
export const stopArchiveUpdate = defineUpdate<ArchiveStatus>('stop');
export const archiveStatusQuery = defineQuery<ArchiveStatus>('status');
