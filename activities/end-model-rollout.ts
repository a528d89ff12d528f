import { Context } from '@temporalio/activity';
import { rolloutById } from '../engine/postgres/rollouts.ts';
import { endRollout, promoteRollout } from '../engine/rollouts/steer-rollouts.ts';
import type { EndRolloutInput } from '../workflows/model-rollout/contract.ts';
import { BY_EVIDENCE, BY_GUARDRAIL } from '../workflows/model-rollout/decide.ts';
import type { ActivityDeps } from './activity-deps.ts';
import { announceRollout } from './rollout-parts.ts';
import { counterOn } from './worker-metrics.ts';

/**
 * Ends a rollout: the candidate becomes the champion, or nothing changes. Safe to repeat; one that has ended otherwise stays as it is. Throws
 * `model-features-changed` where applications could not hold the candidate.
 */
export async function endModelRollout(
  deps: ActivityDeps,
  { rollout: id, how, actor, why }: EndRolloutInput,
): Promise<{ readonly how: 'promoted' | 'returned' }> {
  const { pool } = deps;
  const row = await rolloutById(pool, id);
  // Returned before it was opened: nothing is to be undone.
  if (row === null && how === 'returned') return { how };
  if (row !== null && row.phase !== 'open') {
    const was = row.phase === 'promoted' ? 'promoted' : 'returned';
    // The watch has ended it already, in its own name.
    if (actor === BY_GUARDRAIL) countEnd(row.model, was, actor);
    return { how: was };
  }
  const { model } =
    how === 'promoted'
      ? await promoteRollout({ pool, id, actor, why })
      : await endRollout({ pool, id, phase: 'returned', actor, why });
  await announceRollout(deps, model);
  countEnd(model, how, actor);
  return { how };
}

function countEnd(model: string, how: string, actor: string): void {
  const by = actor === BY_GUARDRAIL || actor === BY_EVIDENCE ? actor : 'person';
  counterOn(Context.current().metricMeter, 'millrace_rollouts_ended_total').add(1, { model, how, by });
}
