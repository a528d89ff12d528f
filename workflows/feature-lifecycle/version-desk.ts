import { ApplicationFailure, CancellationScope, condition, setHandler } from '@temporalio/workflow';
import { failure, failureOf } from '../failure.ts';
import type { NotedCommands } from '../noted-commands.ts';
import {
  approveUpdate,
  COMMAND_DESCRIPTIONS,
  discardUpdate,
  type LifecycleStatus,
  rollbackUpdate,
  VERSION_COMMANDS,
  type VersionCommand,
  type VersionCommandInput,
} from './contract.ts';
import type { LifecycleRunner } from './runner.ts';
import { statusOf } from './status.ts';
import { checkVersionInput, meantBy } from './version-commands.ts';

const UPDATES = { approve: approveUpdate, rollback: rollbackUpdate, discard: discardUpdate } as const;

/**
 * Answers the commands about the versions beside the served one, each with the status after it: a flip is answered once it has taken place, or with what
 * refused it. What can be told beforehand is refused without a trace.
 */
export function answerVersionCommands(runner: LifecycleRunner, notes: NotedCommands): void {
  for (const command of VERSION_COMMANDS) {
    setHandler(
      UPDATES[command],
      async (given?: VersionCommandInput): Promise<LifecycleStatus> =>
        await CancellationScope.nonCancellable(async () => {
          const input = checkVersionInput(command, given);
          const meant = runner.state.flipping?.version ?? sideMeant(runner, command, input)?.version ?? null;
          try {
            await act(runner, command, input);
          } catch (error) {
            const refused = asAnswer(error, command);
            notes.note(command, given, { version: meant }, { outcome: refused.type ?? 'failed' });
            throw refused;
          }
          const status = statusOf(runner.state);
          notes.note(command, given, { version: meant }, { outcome: 'accepted', phase: status.phase });
          return status;
        }),
      {
        validator: (given?: VersionCommandInput) => void sideMeant(runner, command, checkVersionInput(command, given)),
        description: COMMAND_DESCRIPTIONS[command],
      },
    );
  }
}

/** Throws where the command cannot be accepted; null where nothing is to be done, or another has begun it. */
function sideMeant({ state }: LifecycleRunner, command: VersionCommand, input: VersionCommandInput) {
  const meant = meantBy(state, command, input);
  if ('code' in meant) throw failure(meant.code, meant.message, meant.remedy);
  return 'side' in meant ? meant.side : null;
}

async function act(runner: LifecycleRunner, command: VersionCommand, input: VersionCommandInput): Promise<void> {
  const { flipping } = runner.state;
  const side = sideMeant(runner, command, input);
  if (side === null) {
    if (flipping === null) return;
    // The same was sent a moment ago: it is answered as that is.
    await condition(() => runner.state.flipping === null);
    if (runner.state.live?.version === flipping.version) return;
    throw failure(
      'command-refused',
      `${command}: readers could not be flipped to version ${flipping.version}`,
      'See what the first of the two commands was answered, and send it again.',
    );
  }
  if (command === 'discard') return runner.apply({ type: 'discarded' });
  // Going back is for when something is wrong: models do not stand in its way.
  const mayStrand = command === 'rollback' || input.break === true;
  await runner.beside.flip(command, side, { isStale: input.stale === true, mayStrand });
}

/** What broke off a flip, as the update's own failure. */
function asAnswer(error: unknown, command: VersionCommand): ApplicationFailure {
  if (error instanceof ApplicationFailure) return error;
  const { code, message, remedy } = failureOf(error, command, Date.now());
  return ApplicationFailure.create({ message, type: code, nonRetryable: true, details: [{ remedy }] });
}
