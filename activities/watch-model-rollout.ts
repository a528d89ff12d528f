import { CancelledFailure, cancellationDetails } from '@temporalio/activity';
import { watchRollout } from '../engine/rollouts/watch-rollout.ts';
import type { WatchRolloutInput, WatchRolloutResult } from '../workflows/model-rollout/contract.ts';
import type { ActivityDeps } from './activity-deps.ts';
import { withPulse } from './heartbeat.ts';
import { announceRollout, rolloutParts } from './rollout-parts.ts';

/** The engine reports every second: a minute of silence is a hang. */
const SILENT_FOR_MS = 60_000;

/** Watches a rollout's decisions until its budget is used up, it is asked to stop, or everyone was returned. */
export async function watchModelRollout(deps: ActivityDeps, input: WatchRolloutInput): Promise<WatchRolloutResult> {
  const { plan, asked, budgetMs } = input;
  const { decisions, topic, reader } = rolloutParts(deps, asked);
  const { pool, clock } = deps;
  const end = await withPulse({ silentForMs: SILENT_FOR_MS }, (pulse) =>
    watchRollout({
      pool,
      reader,
      decisions,
      topic,
      rollout: plan.rollout,
      candidate: plan.candidate,
      rule: asked.rule,
      positions: new Map(plan.positions),
      clock,
      budgetMs,
      signal: pulse.signal,
      announce: (model) => announceRollout(deps, model),
      onProgress: ({ decisions: seen, invalid, lag }) =>
        pulse.report({ phase: 'watching', decisions: seen, invalid, lag }),
    }),
  );
  if (end.ended !== 'aborted') return end;
  const why = cancellationDetails();
  // Not the workflow's wish: the attempt was paused or reset by hand, and is to be tried again.
  if (why?.paused === true || why?.reset === true) throw new CancelledFailure('the activity was paused or reset');
  return { ended: why?.workerShutdown === true ? 'worker-shutdown' : 'aborted' };
}
