import { type Client, QueryNotRegisteredError, WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { grpcFailure } from '../config/temporal-error.ts';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import {
  type PairsCommand,
  type PairsOptions,
  type PairsStatus,
  pairsStatusQuery,
  pairsWorkflowId,
} from '../workflows/join-pairs/contract.ts';
import { actorName } from './actor.ts';
import { updateWorkflow } from './lifecycle-client.ts';

const ANSWER_WITHIN_MS = 3_000;

/** Starts the joiner of a label set. False when it runs already: starting twice is harmless. */
export async function startPairs(
  client: Client,
  labelSet: string,
  taskQueue: string,
  options?: Partial<PairsOptions>,
): Promise<boolean> {
  try {
    await client.workflow.start('joinPairs', {
      workflowId: pairsWorkflowId(labelSet, taskQueue),
      taskQueue,
      args: [{ labelSet, ...(options === undefined ? {} : { options }) }],
      staticSummary: `pairs of ${labelSet}`,
      memo: { actor: actorName() },
    });
    return true;
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return false;
    throw error;
  }
}

/** What a running joiner says of itself; null when no worker answers in time. */
export async function queryPairs(client: Client, labelSet: string, taskQueue: string): Promise<PairsStatus | null> {
  const handle = client.workflow.getHandle(pairsWorkflowId(labelSet, taskQueue));
  try {
    return await client.withDeadline(Date.now() + ANSWER_WITHIN_MS, () => handle.query(pairsStatusQuery));
  } catch (error) {
    if (error instanceof QueryNotRegisteredError || grpcFailure(error) !== null) return null;
    throw error;
  }
}

/** Sends a command and returns what the joiner answers. Throws `command-refused`, `not-started`, `no-worker`. */
export async function sendPairsCommand(
  client: Client,
  labelSet: string,
  taskQueue: string,
  command: PairsCommand,
): Promise<PairsStatus> {
  const workflowId = pairsWorkflowId(labelSet, taskQueue);
  return await updateWorkflow<PairsStatus>(
    client,
    workflowId,
    command,
    () =>
      new MillraceError('not-started', `label set "${labelSet}" has no running joiner (workflow id ${workflowId})`, {
        remedy: `Start it: millrace pairs ${labelSet}`,
        httpStatus: 404,
      }),
  );
}
