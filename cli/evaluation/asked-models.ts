import type pg from 'pg';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import { type BaseRate, modelNamed, type ModelNamed } from '../../engine/evaluation/evaluation-ask.ts';
import { modelMeant } from '../../engine/models/steer-models.ts';
import { modelVersion } from '../../engine/postgres/model-versions.ts';
import type { Queryable } from '../../engine/postgres/queryable.ts';

/** `late` is what its champion is. Throws MillraceError `bad-options`, `unknown-model`. */
export async function askedModel(pool: pg.Pool, text: string, option: string): Promise<ModelNamed> {
  const { model, version } = modelNamed(text, option);
  return { model, version: version ?? (await modelMeant(pool, model, 'champion')).version };
}

/** A version, which need not be published: files tell of what is not, yet. Throws MillraceError `bad-options`. */
export function askedVersion(text: string, option: string): ModelNamed {
  const { model, version } = modelNamed(text, option);
  if (version !== null) return { model, version };
  throw new MillraceError('bad-options', `${option} ${text}: expected a version`, {
    remedy: `Name it, as ${model}@7.`,
  });
}

/** The rate of the training set, where whoever published the model said so: its metric `baseRate`. */
export async function trainedRate(on: Queryable, { model, version }: ModelNamed): Promise<BaseRate | undefined> {
  const rate = (await modelVersion(on, model, version))?.metrics?.['baseRate'];
  return typeof rate === 'number' ? { value: rate, of: 'training set' } : undefined;
}
