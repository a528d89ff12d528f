import { ActivityCancellationType, type ActivityOptions, proxyActivities, workflowInfo } from '@temporalio/workflow';
import type { Activities } from '../activities/create-activities.ts';
import { WAITED_BY_WORKFLOW } from './waits-mark.ts';
import { batchQueueOf, streamQueueOf, trainQueueOf } from './task-queues.ts';

/** What passes, the workflow waits for by itself (`waits.ts`), and says so. */
const nonRetryableErrorTypes = [WAITED_BY_WORKFLOW];

/** Looks and flips: seconds at most. What may pass is tried ten times (about a minute and a half), then a person is asked. */
export const QUICK: ActivityOptions = {
  startToCloseTimeout: '30s',
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: {
    initialInterval: '500ms',
    backoffCoefficient: 2,
    maximumInterval: '15s',
    maximumAttempts: 10,
    nonRetryableErrorTypes,
  },
};
export const quick = proxyActivities<Activities>(QUICK);

/** What has to happen before we may say "stopped" or "retired": tried for as long as it takes. */
export const CERTAIN: ActivityOptions = {
  startToCloseTimeout: '2m',
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '30s', nonRetryableErrorTypes },
};
export const certain = proxyActivities<Activities>(CERTAIN);

/** The monitors' evaluation: what fails is said after a few tries, and tried again with the next minute. */
export const EVALUATE: ActivityOptions = {
  startToCloseTimeout: '10m',
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: {
    initialInterval: '1s',
    backoffCoefficient: 2,
    maximumInterval: '15s',
    maximumAttempts: 5,
    nonRetryableErrorTypes,
  },
};
export const evaluating = proxyActivities<Activities>(EVALUATE);

/** What is noted of a command: as long as it takes, and nothing waits for it but the end of the run. */
export function noting(summary: string): Activities['noteEvent'] {
  const { noteEvent } = proxyActivities<Activities>({
    startToCloseTimeout: '30s',
    retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '30s' },
    summary,
  });
  return noteEvent;
}

const BATCH_RETRY = {
  initialInterval: '1s',
  backoffCoefficient: 2,
  maximumInterval: '1m',
  nonRetryableErrorTypes,
} as const;

/**
 * Backfills and exports: hours. The heartbeat tells a dead worker within 20 s. What dies or may
 * pass is tried ten times; each but a backfill starts over.
 */
const BATCH: ActivityOptions = {
  startToCloseTimeout: '24h',
  heartbeatTimeout: '20s',
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: { ...BATCH_RETRY, maximumAttempts: 10 },
};

/** The options of a batch activity; its queue belongs to the workflow's. */
export function batchOptions(summary: string): ActivityOptions {
  return { ...BATCH, taskQueue: batchQueueOf(workflowInfo().taskQueue), summary };
}

/**
 * The options of a batch activity whose attempts go on from one another, and which itself refuses to begin where too many in a row got nowhere: a
 * worker that is replaced every hour is no failure.
 */
export function resumableOptions(summary: string): ActivityOptions {
  return { ...batchOptions(summary), retry: BATCH_RETRY };
}

/** A command's own limit is told by its name: this one is for what stands around it. */
const AROUND_A_COMMAND_MS = 3_600_000;

/** The options of a command that runs `timeoutMs` at most: as a batch activity, on workers that run commands. A worker that dies has it begun anew. */
export function trainOptions(timeoutMs: number, summary: string): ActivityOptions {
  return {
    ...BATCH,
    taskQueue: trainQueueOf(workflowInfo().taskQueue),
    startToCloseTimeout: timeoutMs + AROUND_A_COMMAND_MS,
    summary,
  };
}

/**
 * Stream slices: no limit of attempts (a stream waits for its broker and goes on), a small ceiling of the back-off (the attempt
 * counter only grows within a slice), and a finite end as the backstop against a worker that lives on unseen.
 */
export function streamOptions(budgetMs: number, summary: string): ActivityOptions {
  return {
    taskQueue: streamQueueOf(workflowInfo().taskQueue),
    startToCloseTimeout: budgetMs + Math.max(60_000, budgetMs / 2),
    heartbeatTimeout: '15s',
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    retry: { initialInterval: '500ms', backoffCoefficient: 1.5, maximumInterval: '10s' },
    summary,
  };
}

/** How long a slice may run. A tenth of jitter keeps many from changing in the same instant. */
export function sliceBudgetMs(seconds: number): number {
  return Math.round(seconds * 1000 * (0.9 + 0.2 * Math.random()));
}

export const batch = proxyActivities<Activities>(BATCH);
export const stream = proxyActivities<Activities>({ startToCloseTimeout: '1h' });
