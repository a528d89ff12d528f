import { allHandlersFinished, condition, makeContinueAsNewFunc, setHandler, workflowInfo } from '@temporalio/workflow';
import { answerCommands, hearingCancel } from '../command-handlers.ts';
import {
  PAIRS_COMMAND_DESCRIPTIONS,
  type PairsCommand,
  type PairsInput,
  type PairsStatus,
  pairsStatusQuery,
  pausePairsUpdate,
  resumePairsUpdate,
  retryPairsUpdate,
  stopPairsUpdate,
} from './contract.ts';
import { NotedCommands } from '../noted-commands.ts';
import { checkPairsInput } from './input.ts';
import { PairsRunner } from './runner.ts';
import { pairsRefusal, type PairsState, pairsStatusOf, initialPairsState, shouldJoin } from './state.ts';

const UPDATES = {
  pause: pausePairsUpdate,
  resume: resumePairsUpdate,
  retry: retryPairsUpdate,
  stop: stopPairsUpdate,
} as const satisfies Record<PairsCommand, unknown>;

/**
 * Joins the decisions and outcomes of a label set into pairs on a topic, for ever. Started with `{"labelSet": "late"}` on task queue `millrace`, workflow id
 * `pairs:late`; a second start is refused by Temporal and harmless. `carried` is for continue-as-new only. Cancelling it stops the joining; what is held
 * stays. Returns the last status.
 */
export async function joinPairs(input: PairsInput, carried?: PairsState): Promise<PairsStatus> {
  const { workflowId, taskQueue } = workflowInfo();
  const { labelSet, options } = checkPairsInput(input, workflowId, taskQueue);
  const runner = new PairsRunner(carried === undefined ? initialPairsState(labelSet) : carried, options);
  const notes = new NotedCommands(labelSet, () => undefined);
  notes.noteStart({ ...input.options });
  answerCommands({
    notes,
    updates: UPDATES,
    descriptions: PAIRS_COMMAND_DESCRIPTIONS,
    refusal: (command) => pairsRefusal(runner.state, command),
    accept: (command) => runner.apply({ type: 'command', command }),
    status: () => pairsStatusOf(runner.state),
  });
  setHandler(pairsStatusQuery, () => pairsStatusOf(runner.state), {
    description: 'What was joined, and what the joiner accepts.',
  });
  await hearingCancel(
    () => {
      runner.apply({ type: 'command', command: 'stop' });
      notes.note('cancel', null, {}, { outcome: 'stopped' });
      return 'ends';
    },
    `the joining of "${labelSet}" was stopped by cancelling its workflow`,
    () => join(runner, notes, { labelSet, ...(input.options === undefined ? {} : { options: input.options }) }),
  );
  return pairsStatusOf(runner.state);
}

/** Round after round, until it is stopped. */
async function join(runner: PairsRunner, notes: NotedCommands, input: PairsInput): Promise<void> {
  for (;;) {
    if (runner.state.wants.stopped) {
      await runner.stop();
      await condition(allHandlersFinished);
      if (!notes.isDone) await condition(() => notes.isDone);
      return;
    }
    if (runner.carryOnDue()) {
      await condition(allHandlersFinished);
      if (!notes.isDone) await condition(() => notes.isDone);
      if (!runner.state.wants.stopped) await makeContinueAsNewFunc<typeof joinPairs>()(input, runner.state);
    } else if (shouldJoin(runner.state)) await runner.round();
    else await condition(() => runner.state.wants.stopped || shouldJoin(runner.state));
  }
}
