import { MillraceError } from '../errors/millrace-error.ts';
import type { FeatureTags } from '../define/feature-lock.ts';
import { type ModelAlias, modelAliases, modelVersions } from '../postgres/model-versions.ts';
import type { Queryable } from '../postgres/queryable.ts';
import { changesInView } from './model-fit.ts';

/** A model in use that could not go on with a version of a view. */
export interface StrandedModel {
  readonly model: string;
  readonly alias: ModelAlias;
  readonly version: number;
  /** Of the view, those that are missing or mean something else. */
  readonly features: readonly string[];
}

/**
 * The models an alias stands for that were trained on features of a view which a version of it does not have as that.
 *
 * @param tags of the version; null: it is from before there were any, and nobody can tell
 */
export async function strandedModels(on: Queryable, view: string, tags: FeatureTags | null): Promise<StrandedModel[]> {
  const versions = await modelVersions(on);
  return (await modelAliases(on)).flatMap(({ model, alias, version }) => {
    const trained = versions.find((one) => one.model === model && one.version === version)?.features[view] ?? {};
    const features = changesInView(view, trained, tags).map(({ feature }) => feature);
    return features.length === 0 ? [] : [{ model, alias, version, features }];
  });
}

/**
 * The refusal of a version that strands models.
 *
 * @example
 * throw wouldStrand('route_delays', 2, await strandedModels(client, 'route_delays', tags));
 */
export function wouldStrand(view: string, version: number, models: readonly StrandedModel[]): MillraceError {
  const told = models.map(
    (one) => `${one.model} (${one.alias}, version ${one.version}): ${one.features.slice(0, 5).join(', ')}`,
  );
  return new MillraceError(
    'would-strand-models',
    `version ${version} of view "${view}" does not have, or not with the same meaning, what models in use were trained on: ${told.join('; ')}`,
    {
      remedy:
        'Train them on that version and publish them with --ahead first: applications take them once it is approved. Or approve it all the same with --break ({"break": true}): they are refused then, and who holds them keeps them.',
      httpStatus: 409,
      details: { view, version, models: models.map(({ model }) => model) },
    },
  );
}
