import {
  allHandlersFinished,
  CancellationScope,
  CancelledFailure,
  condition,
  makeContinueAsNewFunc,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
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
} from './archive-contracts.ts';
import { checkArchiveInput } from './archive-input.ts';
import { ArchiveRunner } from './archive-runner.ts';
import {
  archiveRefusal,
  type ArchiveState,
  archiveStatusOf,
  initialArchiveState,
  shouldArchive,
} from './archive-state.ts';
import { failure } from './json-input.ts';

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
  const runner = new ArchiveRunner(carried ?? initialArchiveState(source), options);
  for (const command of Object.keys(UPDATES) as ArchiveCommand[]) {
    setHandler(
      UPDATES[command],
      () => {
        runner.apply({ type: 'command', command });
        return archiveStatusOf(runner.state);
      },
      {
        validator: () => {
          const reason = archiveRefusal(runner.state, command);
          if (reason !== null)
            throw failure('command-refused', `${command}: ${reason}`, 'See what "status" says is accepted now.');
        },
        description: ARCHIVE_COMMAND_DESCRIPTIONS[command],
      },
    );
  }
  setHandler(archiveStatusQuery, () => archiveStatusOf(runner.state), {
    description: 'What is archived, and what the archive accepts.',
  });
  let cancelled = false;
  CancellationScope.current().cancelRequested.catch(() => {
    cancelled = true;
    runner.apply({ type: 'command', command: 'stop' });
  });
  return await CancellationScope.nonCancellable(async () => {
    await archive(runner, { source, ...(input.options === undefined ? {} : { options: input.options }) });
    if (cancelled) throw new CancelledFailure(`the archive of "${source}" was stopped by cancelling its workflow`);
    return archiveStatusOf(runner.state);
  });
}

/** Round after round, until it is stopped. */
async function archive(runner: ArchiveRunner, input: ArchiveInput): Promise<void> {
  for (;;) {
    if (runner.state.wants.stopped) {
      await runner.stop();
      await condition(allHandlersFinished);
      return;
    }
    if (runner.carryOnDue()) {
      await condition(allHandlersFinished);
      if (!runner.state.wants.stopped) await makeContinueAsNewFunc<typeof archiveSource>()(input, runner.state);
    } else if (shouldArchive(runner.state)) await runner.round();
    else await condition(() => runner.state.wants.stopped || shouldArchive(runner.state));
  }
}
