import type { CompiledLabelSet } from '../engine/define/compiled-label-set.ts';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import { pairsStatus } from '../engine/pairs/pairs-status.ts';
import { installationOf } from '../engine/postgres/settled-queries.ts';
import { topicOf } from '../engine/topic/topic-of.ts';
import type { PairsPlan } from '../workflows/join-pairs/contract.ts';
import type { ActivityDeps } from './activity-deps.ts';

/** Says what there is to join of a label set. Throws `unknown-label-set`, `source-without-topic`. */
export async function resolvePairs(deps: ActivityDeps, input: { readonly labelSet: string }): Promise<PairsPlan> {
  const { name, decisions, outcomes } = labelSetNamed(deps, input.labelSet);
  const topic = installationOf(deps.pool).pairsTopic(name);
  const { generation } = await pairsStatus(deps.pool, name, topic);
  return {
    labelSet: name,
    decisionsTopic: topicOf(decisions, 'to join'),
    outcomesTopic: topicOf(outcomes, 'to join'),
    topic,
    generation,
  };
}

/** A label set of this worker's definitions. Throws `unknown-label-set`. */
export function labelSetNamed({ definitions }: Pick<ActivityDeps, 'definitions'>, name: string): CompiledLabelSet {
  const labelSet = definitions.labelSets.get(name);
  if (labelSet !== undefined) return labelSet;
  const known = [...definitions.labelSets.keys()].join(', ');
  throw new MillraceError(
    'unknown-label-set',
    `no label set "${name}" in this worker's definitions; known: ${known === '' ? 'none' : known}`,
    {
      remedy: 'Correct the name, or restart the worker with the definitions that have it.',
      httpStatus: 404,
      details: { folder: definitions.folder },
    },
  );
}
