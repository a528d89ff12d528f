import { CancelledFailure, cancellationDetails, Context } from '@temporalio/activity';
import { runArchive } from '../engine/archive/run-archive.ts';
import type { ArchiveSliceInput, ArchiveSliceSummary } from '../workflows/archive-source/contract.ts';
import { type ActivityDeps, topicReaderFor } from './activity-deps.ts';
import { UNNAMED_TRIES } from './activity-error.ts';
import { boundedWaiting, SLICE_STILL_FOR_MS, waitingFigures, withPulse } from './heartbeat.ts';
import { archiveGeneration } from './resolve-source.ts';
import { countSlice } from './slice-counters.ts';
import { sourceNamed } from './source-named.ts';

/** The engine reports every second, also while it waits for a service: a minute of silence is a hang. */
const SILENT_FOR_MS = 60_000;

/**
 * One slice of an archive: copies until its budget is used up or it is asked to stop. Truth is in Postgres, so whatever ends it, the
 * next slice goes on exactly there.
 */
export async function runArchiveSlice(deps: ActivityDeps, input: ArchiveSliceInput): Promise<ArchiveSliceSummary> {
  const source = await sourceNamed(deps, input.source);
  const { currentAttemptScheduledTimestampMs: attemptMs } = Context.current().info;
  const result = await withPulse({ silentForMs: SILENT_FOR_MS, stillForMs: SLICE_STILL_FOR_MS }, (pulse) =>
    runArchive({
      source,
      reader: topicReaderFor(deps, source),
      pool: deps.pool,
      archiveDir: deps.archiveDir,
      memory: deps.memory,
      fence: { generation: input.generation, attemptMs, owner: deps.identity },
      until: 'forever',
      deadlineMs: input.budgetMs,
      signal: pulse.signal,
      clock: deps.clock,
      waiting: input.waiting,
      limits: { unnamedTries: UNNAMED_TRIES },
      roll: {
        ...(input.rollRows === null ? {} : { rows: input.rollRows }),
        ...(input.rollSeconds === null ? {} : { ageMs: input.rollSeconds * 1000 }),
      },
      onProgress: ({
        records,
        files,
        buffered,
        holes,
        lag,
        held,
        recordsPerSecond,
        turns,
        state,
        waitingFor,
        waiting,
      }) =>
        pulse.report(
          {
            state,
            records,
            files,
            lag,
            held,
            buffered,
            holes: holes.length,
            rate: Math.round(recordsPerSecond),
            ...waitingFigures(waitingFor, waiting),
          },
          turns,
        ),
    }),
  );
  const { records, files, lag, waiting, ended } = result;
  countSlice(Context.current(), ended, records);
  const summary = { records, files, lag, waiting: boundedWaiting(waiting) };
  if (ended === 'superseded') return { ...summary, ended, generation: await archiveGeneration(deps, source.name) };
  if (ended !== 'aborted') return { ...summary, ended };
  const why = cancellationDetails();
  // Not the workflow's wish: the attempt was paused or reset by hand, and is to be tried again.
  if (why?.paused === true || why?.reset === true) throw new CancelledFailure('the activity was paused or reset');
  return { ...summary, ended: why?.workerShutdown === true ? 'worker-shutdown' : 'aborted' };
}
