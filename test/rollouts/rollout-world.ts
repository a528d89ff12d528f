import { randomUUID } from 'node:crypto';
import type { Rollout } from '../../engine/postgres/rollouts.ts';
import { openRollout, type RolloutToOpen } from '../../engine/rollouts/steer-rollouts.ts';
import type { MemoryLog } from '../models/memory-log.ts';
import type { ModelWorld } from '../models/model-world.ts';

/** Publishes versions of a model, 1 first, which its champion is: the others have no alias. The text of version n is `model n`. */
export async function publishVersions(world: ModelWorld, log: MemoryLog, model: string, count = 2): Promise<void> {
  for (let version = 1; version <= count; version++)
    await world.publish(log, Buffer.from(`model ${version}`), { model, alias: version === 1 ? 'champion' : null });
}

/** Shares of a candidate and of what is there. */
export const sharesOf = (candidate: number): { variant: string; share: number }[] => [
  { variant: 'candidate', share: candidate },
  { variant: 'against', share: 1 - candidate },
];

/** Opens a rollout of version 2 against version 1. */
export function openIt(
  { pool }: Pick<ModelWorld, 'pool'>,
  model: string,
  { share = 0.5, ...more }: Partial<RolloutToOpen> & { readonly share?: number } = {},
): Promise<Rollout> {
  return openRollout({
    pool,
    id: randomUUID(),
    model,
    mode: 'stages',
    shadow: false,
    variants: sharesOf(share).map((one) => ({ ...one, version: one.variant === 'candidate' ? 2 : 1 })),
    actor: 'ana@laptop',
    why: 'started',
    ...more,
  });
}
