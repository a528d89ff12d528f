import type { CompiledLabelSet } from '../engine/define/compiled-label-set.ts';
import type { CompiledSource } from '../engine/define/compiled-view.ts';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import { announceModel } from '../engine/models/announce-model.ts';
import { kafkaNotConfigured } from '../engine/topic/topic-errors.ts';
import type { LogReader } from '../engine/topic/log-reader.ts';
import type { RolloutAsked } from '../workflows/model-rollout/contract.ts';
import type { ActivityDeps } from './activity-deps.ts';

/** What a rollout goes by. */
export interface RolloutParts {
  readonly labels: CompiledLabelSet;
  readonly decisions: CompiledSource;
  readonly topic: string;
  readonly reader: LogReader;
}

/**
 * The label set and the decisions of a rollout, by this worker's definitions. Throws `unknown-source`, `unknown-label-set`, `kafka-not-configured`, and
 * `invalid-rollout` where they do not belong together.
 */
export function rolloutParts(deps: ActivityDeps, { decisions, labels: name, rule }: RolloutAsked): RolloutParts {
  const { definitions, reader } = deps;
  const labels = definitions.labelSets.get(name);
  if (labels === undefined) {
    const known = [...definitions.labelSets.keys()].join(', ') || 'none';
    throw new MillraceError(
      'unknown-label-set',
      `no label set "${name}" in this worker's definitions; known: ${known}`,
      {
        remedy: 'Correct the name, or restart the worker with the definitions that have it.',
        httpStatus: 404,
        details: { folder: definitions.folder },
      },
    );
  }
  if (labels.decisions.name !== decisions)
    throw refused(`label set "${name}" is of decisions "${labels.decisions.name}", received "${decisions}"`);
  const context = labels.decisions.contract.fields.find((field) => field.name === 'context');
  const type = context?.type;
  const known = type?.kind === 'object' ? type.fields.map((field) => field.name) : [];
  const missing = rule.segments.find((field) => !known.includes(field));
  if (missing !== undefined)
    throw refused(`decisions "${decisions}" have no field "${missing}" in their context; known: ${known.join(', ')}`);
  const { topic } = labels.decisions;
  if (topic === null || reader === null) throw kafkaNotConfigured(`decisions "${decisions}" have topic "${topic}"`);
  return { labels, decisions: labels.decisions, topic, reader };
}

/** Tells applications that a rollout's row has changed. One that is lost is no harm: they look by themselves. */
export async function announceRollout({ models, clock }: ActivityDeps, model: string): Promise<void> {
  if (models != null) await announceModel({ writer: models.writer, topic: models.topic, clock, model });
}

export function refused(what: string): MillraceError {
  return new MillraceError('invalid-rollout', what, {
    remedy: 'Correct what the rollout is started with; docs/rollouts.md has the form.',
    httpStatus: 409,
  });
}
