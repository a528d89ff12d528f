import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  allHandlersFinished,
  ChildWorkflowCancellationType,
  condition,
  executeChild,
  ParentClosePolicy,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { answerCommands } from '../command-handlers.ts';
import { actorOf, NotedCommands } from '../noted-commands.ts';
import { ownInstallation } from '../own-installation.ts';
import {
  approveTrainingUpdate,
  rejectTrainingUpdate,
  TRAIN_COMMAND_DESCRIPTIONS,
  type TrainCommand,
  type TrainInput,
  type TrainSkipped,
  type TrainStatus,
  trainStatusQuery,
} from './contract.ts';
import { checkTrainInput, idKind } from './input.ts';
import { TrainRunner } from './runner.ts';
import { initialTrainState, trainRefusal, trainStatusOf } from './state.ts';

const UPDATES = {
  approve: approveTrainingUpdate,
  reject: rejectTrainingUpdate,
} as const satisfies Record<TrainCommand, unknown>;

/**
 * Trains a model anew and publishes it: writes its training set, runs a command of the user's on it, holds what that says to a minimum, publishes, and
 * opens a rollout, asking a person where that is wanted. Started with `{"model": "late_flights", "service": "delay_model", "labels": "late", "from": "-90d",
 * "to": "now", "command": ["python", "train.py"]}` on task queue `millrace`, workflow id `train:late_flights`: by hand, or by a Temporal Schedule, whose ids
 * are `train:late_flights:scheduled…` and which start that one. A model below its minimum and one that was rejected are results, and no failures.
 */
export async function trainModel(input: TrainInput): Promise<TrainStatus | TrainSkipped> {
  const { workflowId, taskQueue, runId, startTime, memo } = workflowInfo();
  const asked = checkTrainInput(input, startTime.getTime());
  const { model } = asked;
  const ownId = ownInstallation().trainingId(model);
  if (idKind(model, workflowId, ownId) === 'scheduled') return await scheduled(input, ownId);
  const runner = new TrainRunner(initialTrainState(asked, runId, Date.now()), taskQueue, actorOf(memo));
  const notes = new NotedCommands(model, () => undefined);
  const { rows, approve, as, service } = asked;
  notes.note('train', memo, { service, approve, as, from: rows.from ?? null, to: rows.to ?? null }, { run: runId });
  setHandler(trainStatusQuery, () => trainStatusOf(runner.state), {
    description: 'Where the training is, what came of its steps, and what it accepts.',
  });
  answerCommands({
    notes,
    updates: UPDATES,
    descriptions: TRAIN_COMMAND_DESCRIPTIONS,
    refusal: (command) => trainRefusal(runner.state, command),
    accept: (command, actor) => {
      if (command === 'approve') runner.by(actor);
      runner.apply({ type: 'command', command });
    },
    status: () => trainStatusOf(runner.state),
  });
  try {
    await runner.train();
  } finally {
    const { phase, published, error } = trainStatusOf(runner.state);
    notes.note(
      'train end',
      memo,
      { run: runId },
      { outcome: phase, version: published?.version ?? null, error: error?.code ?? null },
    );
    await condition(allHandlersFinished);
    if (!notes.isDone) await condition(() => notes.isDone);
  }
  return trainStatusOf(runner.state);
}

/** What a schedule starts has an id with its time in it: it starts the one training of the model, unless that still goes on. */
async function scheduled(input: TrainInput, ownId: string): Promise<TrainStatus | TrainSkipped> {
  const { model } = input;
  setCurrentDetails(`### Scheduled training of ${model}\n\nThe training itself is the workflow \`${ownId}\`.`);
  try {
    return await executeChild(trainModel, {
      workflowId: ownId,
      args: [input],
      memo: workflowInfo().memo ?? {},
      parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
      cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
      staticSummary: `training of ${model}`,
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    const reason = `a training of model "${model}" was still under way (workflow ${ownId})`;
    setCurrentDetails(`### Scheduled training of ${model}: skipped\n\n${reason}.`);
    return { model, phase: 'skipped', reason };
  }
}
