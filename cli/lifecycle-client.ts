import { setTimeout as delay } from 'node:timers/promises';
import {
  type Client,
  QueryNotRegisteredError,
  type WorkflowExecutionDescription,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '@temporalio/client';
import { ApplicationFailure, defaultPayloadConverter } from '@temporalio/common';
import { receivedCode } from '../engine/errors/error-codes.ts';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import {
  type Applied,
  appliedSignal,
  type Command,
  type LifecycleOptions,
  type LifecycleStatus,
  type VersionCommand,
  type VersionCommandInput,
  statusQuery,
} from '../workflows/feature-lifecycle/contract.ts';
import type { CommandOrigin } from '../workflows/noted-commands.ts';
import { TASK_QUEUE } from '../workflows/task-queues.ts';
import { actorName } from './actor.ts';
import { namesOf } from './with-temporal.ts';
import { grpcFailure } from '../config/temporal-error.ts';

const ANSWER_WITHIN_MS = 10_000;
const EVERY_MS = 250;
/** Temporal's word for an update of a workflow whose last task failed. */
const FAILED_PRECONDITION = 9;

/** Starts a view's lifecycle. False when it runs already: starting twice is harmless. */
export async function startLifecycle(
  client: Client,
  view: string,
  options?: Partial<LifecycleOptions>,
  taskQueue = TASK_QUEUE,
): Promise<boolean> {
  try {
    await client.workflow.start('featureLifecycle', {
      workflowId: namesOf(client).lifecycleId(view),
      taskQueue,
      args: [{ view, ...(options === undefined ? {} : { options }) }],
      staticSummary: `feature view ${view}`,
      memo: { actor: actorName() },
    });
    return true;
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return false;
    throw error;
  }
}

/** Sends a command and returns what the lifecycle answers. Throws `command-refused`, `not-started`, `no-worker`. */
export async function sendCommand(client: Client, view: string, command: Command): Promise<LifecycleStatus> {
  return await updateWorkflow<LifecycleStatus>(client, namesOf(client).lifecycleId(view), command, () =>
    notStarted(client, view),
  );
}

/**
 * Tells a view's lifecycle what was applied: it builds that aside, where it is not what is served. False where the view has no lifecycle that runs; one that
 * is started finds what was applied by itself.
 */
export async function tellApplied(client: Client, view: string, applied: Applied): Promise<boolean> {
  try {
    await client.workflow.getHandle(namesOf(client).lifecycleId(view)).signal(appliedSignal, applied);
    return true;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}

/**
 * Sends a command about the versions of a view, and returns what the lifecycle answers once it is done: a flip takes as long as readers hold what it needs.
 * Throws `not-started`, `no-worker`, and what it was refused with.
 */
export async function sendVersionCommand(
  client: Client,
  view: string,
  command: VersionCommand,
  input: VersionCommandInput,
): Promise<LifecycleStatus> {
  const workflowId = namesOf(client).lifecycleId(view);
  const accepted = await sent(
    client,
    workflowId,
    () => notStarted(client, view),
    () =>
      client.workflow.getHandle(workflowId).startUpdate<LifecycleStatus, [VersionCommandInput]>(command, {
        args: [{ ...input, actor: actorName() }],
        waitForStage: 'ACCEPTED',
      }),
  );
  try {
    return await accepted.result();
  } catch (error) {
    if (error instanceof WorkflowUpdateFailedError && error.cause instanceof ApplicationFailure)
      throw fromFailure(error.cause);
    throw error;
  }
}

/** Sends an update and returns its answer. Throws `absent()` where no such workflow runs, `no-worker`, and what the workflow refused it with. */
export async function updateWorkflow<Answer>(
  client: Client,
  workflowId: string,
  update: string,
  absent: () => MillraceError,
): Promise<Answer> {
  return await sent(client, workflowId, absent, () =>
    client.workflow
      .getHandle(workflowId)
      .executeUpdate<Answer, [CommandOrigin]>(update, { args: [{ actor: actorName() }] }),
  );
}

async function sent<Result>(
  client: Client,
  workflowId: string,
  absent: () => MillraceError,
  send: () => Promise<Result>,
): Promise<Result> {
  const untilMs = Date.now() + ANSWER_WITHIN_MS;
  for (;;) {
    try {
      return await client.withDeadline(untilMs, send);
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) throw absent();
      if (error instanceof WorkflowUpdateFailedError && error.cause instanceof ApplicationFailure)
        throw fromFailure(error.cause);
      const isTaskFailing = grpcFailure(error)?.code === FAILED_PRECONDITION;
      if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError || isDeadline(error)) throw noWorker(workflowId);
      if (!isTaskFailing) throw error;
      // Its last task failed, as those that a worker of another release takes do: the next may go to one that can.
      if (Date.now() + EVERY_MS >= untilMs) throw noWorker(workflowId);
      await delay(EVERY_MS);
    }
  }
}

/** What the lifecycle says of itself; null when no worker answers in time. Throws `not-started`. */
export async function queryStatus(
  client: Client,
  view: string,
  withinMs = ANSWER_WITHIN_MS,
): Promise<LifecycleStatus | null> {
  try {
    return await client.withDeadline(Date.now() + withinMs, () =>
      client.workflow.getHandle(namesOf(client).lifecycleId(view)).query(statusQuery),
    );
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) throw notStarted(client, view);
    // Not registered: its first task has not run yet. Others: no worker, or a broken one; the caller shows what else there is.
    if (error instanceof QueryNotRegisteredError || grpcFailure(error) !== null) return null;
    throw error;
  }
}

/** Figures of the running activities: type, attempt, the last heartbeat, and why the last attempt failed. */
export interface RunningActivity {
  readonly type: string;
  readonly attempt: number;
  readonly figures: Readonly<Record<string, unknown>>;
  readonly lastFailure: string | null;
}

/** The activities a described workflow has under way. */
export function runningActivities(description: WorkflowExecutionDescription): RunningActivity[] {
  return (description.raw.pendingActivities ?? []).map((activity) => {
    const payload = activity.heartbeatDetails?.payloads?.[0];
    const figures: unknown = payload == null ? {} : defaultPayloadConverter.fromPayload(payload);
    return {
      type: activity.activityType?.name ?? '',
      attempt: activity.attempt ?? 1,
      figures: typeof figures === 'object' && figures !== null ? { ...figures } : {},
      lastFailure: activity.lastFailure?.message ?? null,
    };
  });
}

/** Our error out of a failure that came over Temporal. */
export function fromFailure(failure: ApplicationFailure): MillraceError {
  const [first] = failure.details ?? [];
  const remedy =
    typeof first === 'object' && first !== null && 'remedy' in first && typeof first.remedy === 'string'
      ? first.remedy
      : 'See the workflow in the Temporal UI.';
  return new MillraceError(receivedCode(failure.type ?? 'workflow-failed'), failure.message, {
    remedy,
    httpStatus: 409,
    cause: failure,
  });
}

/** The error for a view without a lifecycle. */
export function notStarted(client: Client, view: string): MillraceError {
  return new MillraceError(
    'not-started',
    `view "${view}" has no running lifecycle (workflow id ${namesOf(client).lifecycleId(view)})`,
    {
      remedy: `Start it: millrace start ${view}`,
      httpStatus: 404,
    },
  );
}

function noWorker(workflowId: string): MillraceError {
  return new MillraceError('no-worker', `workflow ${workflowId} did not answer within ${ANSWER_WITHIN_MS / 1000} s`, {
    remedy: `See whether a worker runs ("millrace dev" starts one) on the task queue of the workflow, and its log.`,
    retryable: true,
    httpStatus: 504,
  });
}

function isDeadline(error: unknown): boolean {
  const code = grpcFailure(error)?.code;
  return code === 4 || code === 1;
}
