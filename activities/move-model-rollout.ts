import { AGAINST, CANDIDATE } from '../engine/evidence/rollout-variants.ts';
import { moveRollout } from '../engine/rollouts/steer-rollouts.ts';
import type { MoveRolloutInput } from '../workflows/model-rollout/contract.ts';
import type { ActivityDeps } from './activity-deps.ts';
import { announceRollout } from './rollout-parts.ts';

/** Gives a rollout its next stage, or its next shares. Safe to repeat. Throws `rollout-moved`, `rollout-ended`. */
export async function moveModelRollout(
  deps: ActivityDeps,
  { plan, expected, stage, share, actor, why }: MoveRolloutInput,
): Promise<{ readonly revision: number }> {
  const shares = [
    { variant: CANDIDATE, share },
    { variant: AGAINST, share: 1 - share },
  ];
  const { pool } = deps;
  const next = { stage, shadow: share === 0, shares };
  const { model, revision } = await moveRollout({ pool, id: plan.rollout, expected, next, actor, why });
  await announceRollout(deps, model);
  return { revision };
}
