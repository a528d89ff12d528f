import { allHandlersFinished, condition, makeContinueAsNewFunc, setHandler, workflowInfo } from '@temporalio/workflow';
import { Alarm } from '../alarm.ts';
import { answerCommands, hearingCancel } from '../command-handlers.ts';
import { actorOf, NotedCommands } from '../noted-commands.ts';
import { ownInstallation } from '../own-installation.ts';
import {
  approveRolloutUpdate,
  finishRolloutUpdate,
  pauseRolloutUpdate,
  rejectRolloutUpdate,
  resumeRolloutUpdate,
  retryRolloutUpdate,
  returnRolloutUpdate,
  ROLLOUT_COMMAND_DESCRIPTIONS,
  type RolloutCommand,
  type RolloutInput,
  type RolloutStatus,
  rolloutStatusQuery,
} from './contract.ts';
import { decideRollout, type RolloutDecision } from './decide.ts';
import { checkRolloutInput } from './input.ts';
import { RolloutRunner } from './runner.ts';
import { initialRolloutState, type RolloutState } from './state.ts';
import { rolloutRefusal, rolloutStatusOf } from './status.ts';

const UPDATES = {
  approve: approveRolloutUpdate,
  reject: rejectRolloutUpdate,
  pause: pauseRolloutUpdate,
  resume: resumeRolloutUpdate,
  retry: retryRolloutUpdate,
  return: returnRolloutUpdate,
  finish: finishRolloutUpdate,
} as const satisfies Record<RolloutCommand, unknown>;

/**
 * Rolls a version of a model out against another, on evidence: shadow → shares → everyone, or back. Started with `{"model": "late", "decisions":
 * "delay_decisions", "labels": "late", "metric": {"measure": "log-loss"}}` on task queue `millrace`, workflow id `rollout:late`; a second start is refused by
 * Temporal. `carried` is for continue-as-new only. Cancelling it returns everyone. Returns the last status.
 */
export async function modelRollout(input: RolloutInput, carried?: RolloutState): Promise<RolloutStatus> {
  const { workflowId, memo, firstExecutionRunId } = workflowInfo();
  const asked = checkRolloutInput(input, workflowId, ownInstallation());
  const { model } = asked;
  const runner = new RolloutRunner(carried ?? initialRolloutState(asked), `${model}:${firstExecutionRunId}`);
  const notes = new NotedCommands(model, () => (runner.changed = true));
  notes.noteStart({ candidate: asked.candidate, against: asked.against, mode: asked.rule.mode });
  answerCommands<RolloutCommand, RolloutStatus>({
    notes,
    updates: UPDATES,
    descriptions: ROLLOUT_COMMAND_DESCRIPTIONS,
    refusal: (command) => rolloutRefusal(runner.state, command),
    accept: (command, actor) => runner.apply({ type: 'command', command, actor }),
    status: () => rolloutStatusOf(runner.state),
  });
  setHandler(rolloutStatusQuery, () => rolloutStatusOf(runner.state), {
    description: 'Where the rollout is, what its evidence says, and what it accepts.',
  });
  await hearingCancel(
    () => {
      runner.apply({ type: 'command', command: 'return', actor: 'cancel' });
      notes.note('cancel', null, {}, { outcome: 'returned' });
      return 'ends';
    },
    `the rollout of model "${model}" was returned by cancelling its workflow`,
    () => rollOut(runner, notes, input, actorOf(memo)),
  );
  return rolloutStatusOf(runner.state);
}

/** Does what the state asks for, again and again, until the rollout has ended. */
async function rollOut(runner: RolloutRunner, notes: NotedCommands, input: RolloutInput, actor: string): Promise<void> {
  const alarm = new Alarm(() => (runner.changed = true));
  while (runner.state.ended === null) {
    runner.changed = false;
    const decision = decideRollout(runner.state, Date.now());
    runner.keepWatch();
    if (decision.do === 'stay') {
      const { as, why } = decision;
      const { standing } = runner.state;
      if (standing?.as !== as || standing.why !== why) runner.apply({ type: 'stands', standing: { as, why } });
      if (runner.carryOnDue()) {
        await carryOn(runner, notes, input);
        continue;
      }
      runner.changed = false;
      alarm.set(decision.untilMs, 'until the evidence is looked at again');
      await condition(() => runner.changed);
    } else await work(runner, decision, actor);
  }
  alarm.set(null, '');
  await condition(allHandlersFinished);
  await condition(() => notes.isDone);
}

async function work(
  runner: RolloutRunner,
  decision: Exclude<RolloutDecision, { do: 'stay' }>,
  actor: string,
): Promise<void> {
  switch (decision.do) {
    case 'open':
      return await runner.open(actor);
    case 'judge':
      return await runner.judge();
    case 'move':
      return await runner.move(decision);
    case 'end':
      return await runner.end(decision);
  }
}

/** In a new run, unless somebody wants its end meanwhile. */
async function carryOn(runner: RolloutRunner, notes: NotedCommands, input: RolloutInput): Promise<void> {
  await runner.endWatch();
  await condition(allHandlersFinished);
  if (!notes.isDone) await condition(() => notes.isDone);
  const { wants, returned } = runner.state;
  if (wants.end === null && returned === null) await makeContinueAsNewFunc<typeof modelRollout>()(input, runner.state);
}
