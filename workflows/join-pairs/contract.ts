import { defineQuery, defineUpdate } from '@temporalio/workflow';
import { installationOfQueue } from '../../engine/installation/installation-names.ts';
import type { PairsFigures } from '../../engine/pairs/pairs-status.ts';
import type { Failure } from '../failure.ts';
import { TASK_QUEUE } from '../task-queues.ts';
import type { Waiting } from '../waits.ts';

/** The one id that the joiner of a label set may have: uniqueness of its owner rests on it. */
export function pairsWorkflowId(labelSet: string, taskQueue: string = TASK_QUEUE): string {
  return installationOfQueue(taskQueue).pairsId(labelSet);
}

/** Settings of one joiner; all optional in the input. */
export interface PairsOptions {
  /** How long one activity joins before the next takes over, in seconds. Default 600. */
  readonly sliceSeconds: number;
  /** Continue as new after this many history events; null: when the server suggests it. */
  readonly maxHistoryEvents: number | null;
}

/** What the workflow is started with: one JSON object. */
export interface PairsInput {
  readonly labelSet: string;
  readonly options?: Partial<PairsOptions> | undefined;
}

export type PairsPhase = 'starting' | 'joining' | 'waiting' | 'pausing' | 'paused' | 'failed' | 'stopping' | 'stopped';

export const PAIRS_COMMANDS = ['pause', 'resume', 'retry', 'stop'] as const;
export type PairsCommand = (typeof PAIRS_COMMANDS)[number];

/** One sentence per command, shown in the Temporal UI's list and in the CLI's help. */
export const PAIRS_COMMAND_DESCRIPTIONS: Readonly<Record<PairsCommand, string>> = {
  pause: 'Join nothing for now. Nothing is lost, unless the topics drop what was not read.',
  resume: 'Go on after a pause, at the very records where it stopped.',
  retry: 'Try again what failed.',
  stop: 'End the joining. What is held stays; started again, it goes on where it stopped.',
};

/** What is joined, as the worker's definitions and the catalog say. */
export interface PairsPlan {
  readonly labelSet: string;
  readonly decisionsTopic: string;
  readonly outcomesTopic: string;
  /** Of the pairs. */
  readonly topic: string;
  /** The highest fencing generation any joiner of this label set has had. */
  readonly generation: number;
}

export interface PairsSliceInput {
  readonly labelSet: string;
  readonly generation: number;
  readonly budgetMs: number;
  /** What it is known to wait for, null for nothing: the slice ends once it is otherwise. */
  readonly waiting: Waiting | null;
}

export interface PairsSliceSummary {
  readonly ended: 'deadline' | 'present-end' | 'aborted' | 'superseded' | 'worker-shutdown';
  readonly records: number;
  readonly pairs: number;
  readonly lag: number;
  readonly figures: PairsFigures;
  /** What it waited for as it ended, null for nothing. */
  readonly waiting: Waiting | null;
  /** The highest fencing generation in the catalog, where the slice was superseded. */
  readonly generation?: number | undefined;
}

/** The answer of the query `status` and of every update. */
export interface PairsStatus {
  readonly labelSet: string;
  readonly topic: string | null;
  readonly phase: PairsPhase;
  /** Of ended slices of this workflow. */
  readonly records: number;
  readonly pairs: number;
  /** As of the last ended slice; the live ones are in `millrace pairs`. */
  readonly figures: PairsFigures | null;
  /** What it waits for, and goes on by itself. */
  readonly waitingFor: Waiting | null;
  readonly error: Failure | null;
  readonly accepts: readonly PairsCommand[];
}

export const pausePairsUpdate = defineUpdate<PairsStatus>('pause');
export const resumePairsUpdate = defineUpdate<PairsStatus>('resume');
export const retryPairsUpdate = defineUpdate<PairsStatus>('retry');
export const stopPairsUpdate = defineUpdate<PairsStatus>('stop');
export const pairsStatusQuery = defineQuery<PairsStatus>('status');
