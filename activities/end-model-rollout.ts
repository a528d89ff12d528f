import { rolloutById } from '../engine/postgres/rollouts.ts';
import { endRollout, promoteRollout } from '../engine/rollouts/steer-rollouts.ts';
import type { EndRolloutInput } from '../workflows/model-rollout/contract.ts';
import type { ActivityDeps } from './activity-deps.ts';
import { announceRollout } from './rollout-parts.ts';

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
  if (row !== null && row.phase !== 'open') return { how: row.phase === 'promoted' ? 'promoted' : 'returned' };
  const { model } =
    how === 'promoted'
      ? await promoteRollout({ pool, id, actor, why })
      : await endRollout({ pool, id, phase: 'returned', actor, why });
  await announceRollout(deps, model);
  return { how };
}
