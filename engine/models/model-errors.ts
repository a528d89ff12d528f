import { MillraceError } from '../errors/millrace-error.ts';
import type { ModelVersion } from '../postgres/model-versions.ts';
import type { ModelChange } from './model-fit.ts';

const NAMED = 3;

/** `late, version 3` */
export function modelText({ model, version }: Pick<ModelVersion, 'model' | 'version'>): string {
  return `model "${model}", version ${version}`;
}

/** That there is no such model, version or alias. */
export function unknownModel(what: string): MillraceError {
  return new MillraceError('unknown-model', `there is no ${what}`, {
    remedy: 'See what there is with "millrace model list"; a model comes by "millrace model publish".',
    httpStatus: 404,
  });
}

/** `view "route_delays", feature "flights_1d": trained on 0d4f7a1be23c9f55, served is none; … and 4 more` */
export function changesText(changes: readonly ModelChange[]): string {
  const named = changes
    .slice(0, NAMED)
    .map(({ view, feature, trained, served }) => `${view}.${feature}: trained on ${trained}, served is ${served}`);
  const more = changes.length - named.length;
  return `${named.join('; ')}${more === 0 ? '' : ` and ${more} more`}`;
}

/** The refusal of a model that was trained on other features than are served. */
export function featuresOfModelChanged(
  model: Pick<ModelVersion, 'model' | 'version'> | string,
  changes: readonly ModelChange[],
  remedy = 'Train it on what is served ("millrace export") and publish it; or approve the version of the view that it was trained on.',
): MillraceError {
  const what = typeof model === 'string' ? model : modelText(model);
  return new MillraceError('model-features-changed', `${what}: ${changesText(changes)}`, {
    remedy,
    httpStatus: 409,
    details: { features: changes.map(({ view, feature }) => `${view}.${feature}`).slice(0, 100) },
  });
}

/** The refusal of bytes that the application's `decode` does not take. */
export function modelNotDecoded(model: Pick<ModelVersion, 'model' | 'version'>, cause: unknown): MillraceError {
  return new MillraceError(
    'model-not-decoded',
    `${modelText(model)}: decode failed: ${cause instanceof Error ? cause.message : String(cause)}`,
    {
      remedy:
        'Publish a file that the application can decode, or go back: "millrace model rollback". It is not tried again until there is another.',
      httpStatus: 500,
      cause,
    },
  );
}

/** That a model is asked for where it, or its client, was closed. */
export function modelClosed(model: string): MillraceError {
  return new MillraceError('model-closed', `model "${model}" was asked for, and its client was closed`, {
    remedy: 'Ask for models before the client is closed, and close it last.',
    httpStatus: 409,
  });
}

/** That a model's bytes are neither on the topic nor in the archive's folder. */
export function modelLost(version: ModelVersion, why: string, archive: string): MillraceError {
  const { topic, fromOffset, untilOffset } = version;
  return new MillraceError(
    'model-lost',
    `${modelText(version)}: ${topic}, offsets ${fromOffset} to ${untilOffset - 1}: ${why}; ${archive}`,
    {
      remedy:
        'Let a process that has the archive\'s folder put it back ("millrace model heal"), or publish the file again.',
      httpStatus: 409,
      details: { topic, fromOffset, untilOffset },
    },
  );
}
