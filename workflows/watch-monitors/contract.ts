import { defineQuery, defineUpdate } from '@temporalio/workflow';
import { installationOfQueue } from '../../engine/installation/installation-names.ts';
import type { Failure } from '../failure.ts';
import { TASK_QUEUE } from '../task-queues.ts';

/** The one id of what evaluates an installation's monitors. */
export function monitorsWorkflowId(taskQueue: string = TASK_QUEUE): string {
  return installationOfQueue(taskQueue).monitorsId;
}

/** What the workflow is started with: one JSON object, which may be empty. */
export interface MonitorsInput {
  /** How often buckets are looked for. Default 60. */
  readonly everySeconds?: number | undefined;
  /** By what monitors tell the time: `wall` (default) where sources are live, `watermark` while they replay. */
  readonly clock?: 'wall' | 'watermark' | undefined;
  /** How late records may come without being late for their hour. Default 300. */
  readonly allowedLatenessSeconds?: number | undefined;
  /** Of the first evaluation ever: hours before are learnt from, and raise nothing. ISO time. Default: what is closed already. */
  readonly watchFrom?: string | undefined;
  /** Continue as new after this many history events. Default: when the server suggests it. */
  readonly maxHistoryEvents?: number | undefined;
}

export interface EvaluateInput {
  readonly clock: 'wall' | 'watermark';
  readonly allowedLatenessMs: number;
  readonly watchFromMs: number | null;
  /** Greater with each call: who sends alerts' events. */
  readonly generation: number;
}

export interface EvaluateSummary {
  /** Monitor time, ISO; null: no source has told any. */
  readonly now: string | null;
  readonly buckets: number;
  /** What became of alerts, in sentences; the newest 20. */
  readonly changes: readonly string[];
  readonly events: number;
  /** More is due. */
  readonly behind: boolean;
  readonly open: readonly string[];
  /** Of all that are open. */
  readonly openCount: number;
  /** Events that wait to be sent: there is no Kafka, or somebody else sends. */
  readonly waiting: number;
}

/** The answer of the query `status` and of the update `stop`. */
export interface MonitorsStatus {
  readonly phase: 'watching' | 'failing' | 'stopped';
  readonly now: string | null;
  /** Of this workflow. */
  readonly buckets: number;
  readonly events: number;
  readonly open: readonly string[];
  readonly openCount: number;
  readonly waiting: number;
  /** Why the last evaluation failed; the next tries again. */
  readonly error: Failure | null;
}

export const stopMonitorsUpdate = defineUpdate<MonitorsStatus>('stop');
export const monitorsStatusQuery = defineQuery<MonitorsStatus>('status');
