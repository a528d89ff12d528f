import { type Client, WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import {
  type RolloutCommand,
  type RolloutInput,
  type RolloutStatus,
  rolloutStatusQuery,
} from '../../workflows/model-rollout/contract.ts';
import { actorName } from '../actor.ts';
import { updateWorkflow } from '../lifecycle-client.ts';
import { namesOf } from '../with-temporal.ts';

const ANSWER_WITHIN_MS = 5_000;

/** Starts a rollout, and gives its workflow id. Throws `rollout-open` where the model has one that runs. */
export async function startRollout(client: Client, input: RolloutInput, taskQueue: string): Promise<string> {
  const workflowId = namesOf(client).rolloutId(input.model);
  try {
    await client.workflow.start('modelRollout', {
      workflowId,
      taskQueue,
      args: [input],
      staticSummary: `rollout of ${input.model}`,
      memo: { actor: actorName() },
    });
    return workflowId;
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    throw new MillraceError('rollout-open', `model "${input.model}": a rollout runs (workflow id ${workflowId})`, {
      remedy: `Let it end, or end it: millrace rollout return ${input.model}`,
      httpStatus: 409,
    });
  }
}

/** Sends a command and returns what the rollout answers. Throws `command-refused`, `not-started`, `no-worker`. */
export async function sendRolloutCommand(
  client: Client,
  model: string,
  command: RolloutCommand,
): Promise<RolloutStatus> {
  const workflowId = namesOf(client).rolloutId(model);
  return await updateWorkflow<RolloutStatus>(
    client,
    workflowId,
    command,
    () =>
      new MillraceError('not-started', `model "${model}" has no rollout that runs (workflow id ${workflowId})`, {
        remedy: `See those that ended: millrace rollout list ${model}`,
        httpStatus: 404,
      }),
  );
}

/** What the newest rollout's workflow says of itself; null where it cannot be asked: then its rows tell. */
export async function queryRollout(client: Client, model: string): Promise<RolloutStatus | null> {
  try {
    const handle = client.workflow.getHandle(namesOf(client).rolloutId(model));
    return await client.withDeadline(Date.now() + ANSWER_WITHIN_MS, () => handle.query(rolloutStatusQuery));
  } catch {
    // Not there any more, or no worker to answer: what is kept of it is shown all the same.
    return null;
  }
}
