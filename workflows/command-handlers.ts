import type { UpdateDefinition } from '@temporalio/common';
import { CancellationScope, CancelledFailure, setHandler } from '@temporalio/workflow';
import { failure } from './failure.ts';
import { actorOf, type CommandOrigin, type NotedCommands } from './noted-commands.ts';

/** The commands of a workflow: what each is to it, and what it answers. */
export interface CommandDesk<Command extends string, Status> {
  readonly updates: Readonly<Record<Command, UpdateDefinition<Status>>>;
  readonly descriptions: Readonly<Record<Command, string>>;
  /** Why a command cannot be accepted now, or null. */
  readonly refusal: (command: Command) => string | null;
  readonly accept: (command: Command, actor: string) => void;
  readonly status: () => Status;
  readonly notes: NotedCommands;
}

/** Answers every command with the status after it. A refused one leaves no trace in the history. */
export function answerCommands<Command extends string, Status extends { readonly phase: string }>(
  desk: CommandDesk<Command, Status>,
): void {
  for (const command of Object.keys(desk.updates) as Command[]) {
    const update: UpdateDefinition<Status> = desk.updates[command];
    setHandler(
      update,
      // The CLI says whom it is from, the Temporal UI says nothing.
      (origin?: CommandOrigin) => {
        desk.accept(command, actorOf(origin));
        const status = desk.status();
        desk.notes.note(command, origin, {}, { outcome: 'accepted', phase: status.phase });
        return status;
      },
      { validator: () => refuse(command, desk.refusal(command)), description: desk.descriptions[command] },
    );
  }
}

function refuse(command: string, reason: string | null): void {
  if (reason !== null)
    throw failure('command-refused', `${command}: ${reason}`, 'See what "status" says is accepted now.');
}

/**
 * Runs `work` to its own end. Cancelling the workflow calls `onCancel`. Where that answers `ends` it makes the work end, and the workflow then counts
 * as cancelled, with the message `cancelled`; where it answers `goes-on` the end of the work is as it would have been.
 */
export async function hearingCancel(
  onCancel: () => 'ends' | 'goes-on',
  cancelled: string,
  work: () => Promise<void>,
): Promise<void> {
  let isCancelled = false;
  CancellationScope.current().cancelRequested.catch(() => {
    isCancelled = onCancel() === 'ends';
  });
  await CancellationScope.nonCancellable(async () => {
    await work();
    if (isCancelled) throw new CancelledFailure(cancelled);
  });
}
