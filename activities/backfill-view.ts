import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Context } from '@temporalio/activity';
import { ENGINE_SEMANTICS } from '../engine/define/view-layout.ts';
import { runBackfill } from '../engine/backfill/run-backfill.ts';
import type { BackfillInput, BackfillSummary } from '../workflows/feature-lifecycle/contract.ts';
import { type ActivityDeps, readerFor, viewWithFingerprint } from './activity-deps.ts';
import { STILL_FOR_MS, withPulse } from './heartbeat.ts';

/** Builds a version aside: readers see nothing of it. An attempt that follows a killed one starts over. */
export async function backfillView(deps: ActivityDeps, input: BackfillInput): Promise<BackfillSummary> {
  const view = await viewWithFingerprint(deps, input);
  const { workflowExecution, attempt } = Context.current().info;
  const spillDir = await mkdtemp(join(deps.spillDir, 'backfill-'));
  try {
    const result = await withPulse({ stillForMs: STILL_FOR_MS }, (pulse) =>
      runBackfill({
        view,
        pool: deps.pool,
        reader: view.source.topic === null ? null : readerFor(deps, view),
        spillDir,
        memoryMb: deps.memoryMb,
        clock: deps.clock,
        signal: pulse.signal,
        covers: input.covers,
        builder: `${workflowExecution?.runId ?? 'no-workflow'}/${attempt}`,
        onProgress: ({ phase, rows, entities, percent, rowsPerSecond }) =>
          pulse.report({ phase, rows, entities, percent, rate: Math.round(rowsPerSecond) }),
      }),
    );
    const { version, rows, entities, counts } = result;
    return { version, rows, entities, counts: { ...counts }, semantics: ENGINE_SEMANTICS };
  } finally {
    await rm(spillDir, { recursive: true, force: true });
  }
}
