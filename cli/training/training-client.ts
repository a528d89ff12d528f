import { setTimeout as delay } from 'node:timers/promises';
import {
  type Client,
  QueryNotRegisteredError,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  type WorkflowHandle,
} from '@temporalio/client';
import { grpcFailure } from '../../config/temporal-error.ts';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import type { TrainInput, TrainStatus } from '../../workflows/train-model/contract.ts';
import { trainStatusQuery } from '../../workflows/train-model/contract.ts';
import { actorName } from '../actor.ts';
import { progressOf } from '../follow-lifecycle.ts';
import { followWorkflow } from '../follow-workflow.ts';
import { type RunningActivity, runningActivities } from '../lifecycle-client.ts';
import type { Output } from '../output.ts';
import { namesOf } from '../with-temporal.ts';

const EVERY_MS = 500;
const COMMAND = 'runTrainingCommand';

/** Starts a training. Throws MillraceError `training-under-way`: a model has one at a time. */
export async function startTraining(client: Client, input: TrainInput, taskQueue: string): Promise<WorkflowHandle> {
  const workflowId = namesOf(client).trainingId(input.model);
  try {
    return await client.workflow.start('trainModel', {
      workflowId,
      taskQueue,
      args: [input],
      memo: { actor: actorName() },
      staticSummary: `training of ${input.model}`,
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    throw new MillraceError(
      'training-under-way',
      `a training of model "${input.model}" is under way (workflow ${workflowId})`,
      {
        remedy: `See how it goes: millrace train status ${input.model}. A model is trained once at a time.`,
        httpStatus: 409,
      },
    );
  }
}

/**
 * Follows a training to its end, or to where it waits for approval, and says what its command says: each line once, as far as heartbeats have them. Throws the
 * error it ended with.
 *
 * @param waits also while it waits for approval
 */
export async function followTraining(
  client: Client,
  handle: WorkflowHandle,
  output: Output,
  waits: boolean,
): Promise<TrainStatus> {
  const lines = new ShownLines(output);
  let gate = '';
  for (;;) {
    const description = await client.workflow.getHandle(handle.workflowId).describe();
    if (description.status.name !== 'RUNNING') break;
    const activities = runningActivities(description);
    for (const activity of activities) if (activity.type === COMMAND) lines.show(activity);
    const status = await trainingStatus(client, handle);
    if (status !== null && status.accepts.length > 0) {
      if (!waits) return status;
      if (gate !== status.phase) output.note(`${status.phase}: millrace train approve ${status.model}, or reject`);
      gate = status.phase;
    }
    const waiting = status?.waitingFor == null ? [] : [status.waitingFor.message];
    const doing = activities.map((activity) =>
      activity.type === COMMAND ? runningText(activity) : progressOf(activity),
    );
    output.progress([`train: ${status?.phase ?? 'waiting for a worker to answer'}`, ...waiting, ...doing].join(' · '));
    await delay(EVERY_MS);
  }
  const result = await followWorkflow<TrainStatus>(client, handle, output, 'train');
  if (result.command !== null) lines.rest(result.command.lines, result.command.tail);
  return result;
}

/** What a training says of itself; null where no worker answers. Throws `training-not-started`. */
export async function trainingStatus(client: Client, handle: WorkflowHandle): Promise<TrainStatus | null> {
  try {
    return await client.withDeadline(Date.now() + 10_000, () => handle.query(trainStatusQuery));
  } catch (error) {
    if (error instanceof QueryNotRegisteredError) return null;
    if (!(error instanceof WorkflowNotFoundError) && grpcFailure(error) !== null) return null;
    throw error;
  }
}

/** The error of a model that is not being trained. */
export function noTraining(client: Client, model: string): MillraceError {
  return new MillraceError(
    'training-not-started',
    `no training of model "${model}" is under way (workflow id ${namesOf(client).trainingId(model)})`,
    { remedy: `Start it: millrace train ${model} …`, httpStatus: 404 },
  );
}

function runningText({ attempt, figures, lastFailure }: RunningActivity): string {
  const { seconds, lines } = figures;
  const parts = [`${typeof seconds === 'number' ? seconds : 0} s`, `${typeof lines === 'number' ? lines : 0} lines`];
  if (attempt > 1) parts.push(`attempt ${attempt}${lastFailure === null ? '' : ` after: ${lastFailure}`}`);
  return parts.join(', ');
}

/** What a command said, each line once: heartbeats bring its last lines and how many there were. */
class ShownLines {
  readonly #output: Output;
  #shown = 0;
  #attempt = 1;

  constructor(output: Output) {
    this.#output = output;
  }

  show({ attempt, figures }: RunningActivity): void {
    if (attempt !== this.#attempt) this.#shown = 0;
    this.#attempt = attempt;
    const { lines, tail } = figures;
    if (typeof lines === 'number' && typeof tail === 'string' && tail !== '') this.rest(lines, tail.split('\n'));
  }

  /** @param count all lines there were, of which `tail` are the last */
  rest(count: number, tail: readonly string[]): void {
    const isNew = count - this.#shown;
    if (isNew <= 0) return;
    if (isNew > tail.length) this.#output.note(`… ${isNew - tail.length} lines`);
    for (const line of tail.slice(-isNew)) this.#output.note(`  ${line}`);
    this.#shown = count;
  }
}
