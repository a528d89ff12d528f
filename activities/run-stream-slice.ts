import { CancelledFailure, cancellationDetails, Context } from '@temporalio/activity';
import { runStream } from '../engine/stream/run-stream.ts';
import type { SliceInput, SliceSummary } from '../workflows/feature-lifecycle/contract.ts';
import { type ActivityDeps, readerFor, viewWithFingerprint } from './activity-deps.ts';
import { UNNAMED_TRIES } from './activity-error.ts';
import { boundedWaiting, SLICE_STILL_FOR_MS, waitingFigures, withPulse } from './heartbeat.ts';
import { highestGeneration } from './resolve-view.ts';
import { monitorStore } from '../engine/value-monitors/store-monitor.ts';
import { StoreWatch } from './store-watch.ts';
import { countSlice, DeadLetterReasons } from './slice-counters.ts';

/** The engine reports every second, also while it waits for a service: a minute of silence is a hang. */
const SILENT_FOR_MS = 60_000;

const REASONS = new DeadLetterReasons();

/**
 * One slice of a stream: runs until its budget is used up, the present end is reached (refresh, catching up), or it is asked to
 * stop. Truth is in Postgres, so whatever ends it, the next slice goes on exactly there.
 */
export async function runStreamSlice(deps: ActivityDeps, input: SliceInput): Promise<SliceSummary> {
  const view = await viewWithFingerprint(deps, input);
  const reader = readerFor(deps, view);
  const context = Context.current();
  const { currentAttemptScheduledTimestampMs: attemptMs } = context.info;
  const { shard, shards } = input;
  const beganMs = deps.clock.monotonicMs();
  // Of several lanes one looks at the store of all.
  const isWatched = shard === 0 && view.source.monitorBytes !== 0;
  const watch = new StoreWatch({
    look: () => monitorStore({ pool: deps.pool, view }),
    clock: deps.clock,
    onFailed: (error) => context.log.warn('the store was not looked at', { view: view.name, error: String(error) }),
  });
  const result = await withPulse({ silentForMs: SILENT_FOR_MS, stillForMs: SLICE_STILL_FOR_MS }, async (pulse) => {
    try {
      return await runStream({
        view,
        version: input.version,
        pool: deps.pool,
        reader,
        fence: { generation: input.generation, attemptMs, owner: deps.identity },
        partitions: shards === 1 ? undefined : (partition) => partition % shards === shard,
        until: input.until,
        deadlineMs: input.budgetMs,
        mostlyInvalid: input.mostlyInvalid,
        waiting: input.waiting,
        limits: { unnamedTries: UNNAMED_TRIES },
        signal: pulse.signal,
        clock: deps.clock,
        onDeadLetters: (letters) => REASONS.count(context, view.name, letters),
        onProgress: ({
          records,
          lag,
          held,
          watermarkUs,
          recordsPerSecond,
          invalid,
          mostlyInvalid,
          memory,
          turns,
          state,
          waitingFor,
          waiting,
        }) => {
          if (isWatched) watch.passed(watermarkUs);
          pulse.report(
            {
              state,
              lag,
              held,
              records,
              rate: Math.round(recordsPerSecond),
              watermark: watermarkUs === null ? null : new Date(watermarkUs / 1000).toISOString(),
              invalid,
              intakeBytes: memory.intake,
              stateBytes: memory.states,
              idBytes: memory.ids,
              ...(mostlyInvalid ? { mostlyInvalid: 'yes' } : {}),
              ...waitingFigures(waitingFor, waiting),
            },
            turns,
          );
        },
      });
    } finally {
      await watch.ended();
    }
  });
  const { records, lag, held, watermarkUs, mostlyInvalid, waiting, ended } = result;
  countSlice(context, ended, records);
  const seconds = Math.max(deps.clock.monotonicMs() - beganMs, 1) / 1000;
  const summary = {
    records,
    lag,
    held,
    watermarkUs,
    recordsPerSecond: Math.round(records / seconds),
    mostlyInvalid,
    waiting: boundedWaiting(waiting),
  };
  if (ended === 'superseded') return { ...summary, ended, generation: await highestGeneration(deps, view.name) };
  if (ended !== 'aborted') return { ...summary, ended };
  const why = cancellationDetails();
  // Not the workflow's wish: the attempt was paused or reset by hand, and is to be tried again.
  if (why?.paused === true || why?.reset === true) throw new CancelledFailure('the activity was paused or reset');
  return { ...summary, ended: why?.workerShutdown === true ? 'worker-shutdown' : 'aborted' };
}
