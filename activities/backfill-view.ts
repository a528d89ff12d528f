import { Context } from '@temporalio/activity';
import { ENGINE_SEMANTICS } from '../engine/define/view-layout.ts';
import type { BackfillProgress } from '../engine/backfill/backfill-progress.ts';
import { runBackfill } from '../engine/backfill/run-backfill.ts';
import type { BackfillInput, BackfillSummary } from '../workflows/feature-lifecycle/contract.ts';
import { type ActivityDeps, readerFor, viewWithFingerprint } from './activity-deps.ts';
import { bounded } from '../workflows/bounded.ts';
import { type HeartbeatFigures, memoryWait, STILL_FOR_MS, withPulse } from './heartbeat.ts';

/** Builds a version aside: readers see nothing of it. An attempt goes on from what those of the same build before it have saved. */
export async function backfillView(deps: ActivityDeps, input: BackfillInput): Promise<BackfillSummary> {
  const view = await viewWithFingerprint(deps, input);
  const {
    workflowExecution,
    activityId,
    attempt,
    currentAttemptScheduledTimestampMs: attemptMs,
  } = Context.current().info;
  const runId = workflowExecution?.runId ?? 'no-workflow';
  const result = await withPulse({ stillForMs: STILL_FOR_MS }, (pulse) => {
    const { onWait, report } = memoryWait(pulse);
    return runBackfill({
      view,
      pool: deps.pool,
      reader: view.source.topic === null ? null : readerFor(deps, view),
      spillDir: deps.spillDir,
      memory: deps.memory,
      clock: deps.clock,
      signal: pulse.signal,
      covers: input.covers,
      mayTakeStates: input.mayTakeStates,
      builder: `${runId}/${attempt}`,
      attempt: { build: input.build ?? `${runId}/${activityId}`, attemptMs },
      onWait,
      onProgress: (progress) => report(figuresOf(progress)),
    });
  });
  const { version, rows, entities, counts, madeFrom } = result;
  const made = madeFrom === null ? {} : { madeFrom };
  return { version, rows, entities, counts: { ...counts }, semantics: ENGINE_SEMANTICS, ...made };
}

function figuresOf(progress: BackfillProgress): HeartbeatFigures {
  const { phase, rows, entities, percent, rowsPerSecond, resumedRows, savedRows, restarted } = progress;
  return {
    phase,
    rows,
    entities,
    percent,
    rate: Math.round(rowsPerSecond),
    ...(savedRows === 0 ? {} : { saved: savedRows }),
    ...(resumedRows === 0 ? {} : { resumedAt: resumedRows }),
    ...(restarted === null ? {} : { restarted: bounded(restarted) }),
  };
}
