import { AGAINST, CANDIDATE } from '../engine/evidence/rollout-variants.ts';
import { modelMeant } from '../engine/models/steer-models.ts';
import { modelAliases } from '../engine/postgres/model-versions.ts';
import { openRollout } from '../engine/rollouts/steer-rollouts.ts';
import type { OpenRolloutInput, RolloutPlan } from '../workflows/model-rollout/contract.ts';
import type { ActivityDeps } from './activity-deps.ts';
import { announceRollout, refused, rolloutParts } from './rollout-parts.ts';

/**
 * Looks up what a rollout goes by, and opens it. Safe to repeat. Throws `unknown-label-set`, `unknown-model`, `invalid-rollout`, `rollout-open`,
 * `topic-not-found`.
 */
export async function openModelRollout(deps: ActivityDeps, input: OpenRolloutInput): Promise<RolloutPlan> {
  const { rollout: id, asked, actor } = input;
  const { pool } = deps;
  const { labels, topic, reader } = rolloutParts(deps, asked);
  const { model, rule } = asked;
  const candidate = await modelMeant(pool, model, asked.candidate);
  const against = await modelMeant(pool, model, asked.against);
  if (candidate.version === against.version)
    throw refused(`model "${model}": version ${candidate.version} would be tried against itself`);
  if (candidate.state === 'rolled-back')
    throw refused(`model "${model}": version ${candidate.version} was rolled back`);
  // Moved by somebody while the rollout is open, it ends it.
  const champion = (await modelAliases(pool, model)).find(({ alias }) => alias === 'champion')?.version ?? null;
  // Before the row is there: no decision of the rollout is missed.
  const { partitions } = await reader.bounds(topic);
  const positions = partitions.map(({ partition, endOffset }) => [partition, endOffset] as const);
  const { share } = rule.stages[0]!;
  const row = await openRollout({
    pool,
    id,
    model,
    mode: rule.mode,
    shadow: share === 0,
    variants: [
      { variant: CANDIDATE, version: candidate.version, share },
      { variant: AGAINST, version: against.version, share: 1 - share },
    ],
    asked: { ...asked, positions, champion },
    actor,
    why: 'started',
  });
  await announceRollout(deps, model);
  // Of one that was opened by an attempt before: what it found then.
  const versionOf = (name: string): number => row.variants.find(({ variant }) => variant === name)!.version;
  return {
    rollout: id,
    candidate: versionOf(CANDIDATE),
    against: versionOf(AGAINST),
    topic,
    positions: row.asked['positions'] as RolloutPlan['positions'],
    matureAfterUs: labels.matureAfterUs,
    revision: row.revision,
  };
}
