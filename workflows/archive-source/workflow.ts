import { allHandlersFinished, condition, makeContinueAsNewFunc, setHandler, workflowInfo } from '@temporalio/workflow';
import { answerCommands, hearingCancel } from '../command-handlers.ts';
import {
  ARCHIVE_COMMAND_DESCRIPTIONS,
  type ArchiveCommand,
  type ArchiveInput,
  type ArchiveStatus,
  archiveStatusQuery,
  pauseArchiveUpdate,
  resumeArchiveUpdate,
  retryArchiveUpdate,
  stopArchiveUpdate,
} from './contract.ts';
import { NotedCommands } from '../noted-commands.ts';
import { checkArchiveInput } from './input.ts';
import { ArchiveRunner } from './runner.ts';
import {
  archiveRefusal,
  type ArchiveState,
  archiveStatusOf,
  carriedArchiveState,
  initialArchiveState,
  shouldArchive,
} from './state.ts';

const UPDATES = {
  pause: pauseArchiveUpdate,
  resume: resumeArchiveUpdate,
  retry: retryArchiveUpdate,
  stop: stopArchiveUpdate,
} as const satisfies Record<ArchiveCommand, unknown>;

/**
 * Copies a source's topic to Parquet for ever, and keeps its files large and its views' commit records rolled. Started with
 * `{"source": "flights"}` on task queue `millrace`, workflow id `archive:flights`; a second start is refused by Temporal and harmless.
 * `carried` is for continue-as-new only. Cancelling it stops the archive; what is archived stays. Returns the last status.
 */
export async function archiveSource(input: ArchiveInput, carried?: ArchiveState): Promise<ArchiveStatus> {
  const { workflowId, taskQueue } = workflowInfo();
  const { source, options } = checkArchiveInput(input, workflowId, taskQueue);
  const runner = new ArchiveRunner(
    carried === undefined ? initialArchiveState(source) : carriedArchiveState(carried),
    options,
  );
  const notes = new NotedCommands(source, () => undefined);
  notes.noteStart({ ...input.options });
  answerCommands({
    notes,
    updates: UPDATES,
    descriptions: ARCHIVE_COMMAND_DESCRIPTIONS,
    refusal: (command) => archiveRefusal(runner.state, command),
    accept: (command) => runner.apply({ type: 'command', command }),
    status: () => archiveStatusOf(runner.state),
  });
  setHandler(archiveStatusQuery, () => archiveStatusOf(runner.state), {
    description: 'What is archived, and what the archive accepts.',
  });
  await hearingCancel(
    () => {
      runner.apply({ type: 'command', command: 'stop' });
      notes.note('cancel', null, {}, { outcome: 'stopped' });
      return 'ends';
    },
    `the archive of "${source}" was stopped by cancelling its workflow`,
    () => archive(runner, notes, { source, ...(input.options === undefined ? {} : { options: input.options }) }),
  );
  return archiveStatusOf(runner.state);
}

/** Round after round, until it is stopped. */
async function archive(runner: ArchiveRunner, notes: NotedCommands, input: ArchiveInput): Promise<void> {
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
      if (!runner.state.wants.stopped) await makeContinueAsNewFunc<typeof archiveSource>()(input, runner.state);
    } else if (shouldArchive(runner.state)) await runner.round();
    else await condition(() => runner.state.wants.stopped || shouldArchive(runner.state));
  }
}
