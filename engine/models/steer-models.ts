import type pg from 'pg';
import { MillraceError } from '../errors/millrace-error.ts';
import { appendEvent } from '../postgres/audit-events.ts';
import {
  lockModel,
  type ModelAlias,
  modelAliases,
  modelVersion,
  type ModelVersion,
  setModelAlias,
  setModelState,
} from '../postgres/model-versions.ts';
import { withTransaction } from '../postgres/transaction.ts';
import { featuresOfModelChanged, modelText, unknownModel } from './model-errors.ts';
import { modelChanges } from './model-fit.ts';

interface Steered {
  readonly pool: pg.Pool;
  readonly model: string;
  readonly actor: string;
}

/** What an alias stood for, and stands for now. */
export interface AliasMoved {
  readonly alias: ModelAlias;
  readonly version: number;
  readonly before: number | null;
}

/**
 * Lets an alias stand for a version. Doing it again changes nothing. Throws MillraceError `unknown-model`, `model-features-changed` unless `ahead`.
 */
export async function pointAlias(
  options: Steered & { readonly alias: ModelAlias; readonly version: number; readonly ahead?: boolean | undefined },
): Promise<AliasMoved> {
  const { pool, model, alias, version, actor, ahead = false } = options;
  return await withTransaction(pool, async (client) => {
    await lockModel(client, model);
    const target = await modelVersion(client, model, version);
    if (target === null) throw unknownModel(`version ${version} of model "${model}"`);
    const before = (await modelAliases(client, model)).find((one) => one.alias === alias)?.version ?? null;
    if (before === version) return { alias, version, before };
    const changes = await modelChanges(client, target);
    if (changes.length > 0 && !ahead) throw featuresOfModelChanged(target, changes);
    await setModelAlias(client, { model, alias, version, previous: before, actor });
    if (target.state === 'rolled-back') await setModelState(client, model, version, 'published');
    await appendEvent(client, {
      actor,
      action: 'model alias',
      subject: model,
      input: { alias, version },
      result: { before },
    });
    return { alias, version, before };
  });
}

/**
 * Lets an alias stand for what it stood for before; the version it leaves is noted as rolled back.
 *
 * @throws MillraceError `unknown-model` where the alias stands for nothing, `no-previous-model` where it never stood for anything else
 */
export async function rollbackModel(options: Steered & { readonly alias: ModelAlias }): Promise<AliasMoved> {
  const { pool, model, alias, actor } = options;
  return await withTransaction(pool, async (client) => {
    await lockModel(client, model);
    const row = (await modelAliases(client, model)).find((one) => one.alias === alias);
    if (row === undefined) throw unknownModel(`${alias} of model "${model}"`);
    const { version: left, previous } = row;
    if (previous === null) {
      throw new MillraceError(
        'no-previous-model',
        `${modelText(row)}: nothing is known that its ${alias} stood for before`,
        { remedy: `Name a version: millrace model alias ${model} ${alias} VERSION`, httpStatus: 409 },
      );
    }
    await setModelAlias(client, { model, alias, version: previous, previous: null, actor });
    await setModelState(client, model, left, 'rolled-back');
    await appendEvent(client, {
      actor,
      action: 'model rollback',
      subject: model,
      input: { alias },
      result: { version: previous, before: left },
    });
    return { alias, version: previous, before: left };
  });
}

/** The version that is meant: by its number, else what the alias stands for. Throws MillraceError `unknown-model`. */
export async function modelMeant(pool: pg.Pool, model: string, meant: number | ModelAlias): Promise<ModelVersion> {
  const version =
    typeof meant === 'number' ? meant : (await modelAliases(pool, model)).find(({ alias }) => alias === meant)?.version;
  const found = version === undefined ? null : await modelVersion(pool, model, version);
  if (found !== null) return found;
  throw unknownModel(
    typeof meant === 'number' ? `version ${meant} of model "${model}"` : `${meant} of model "${model}"`,
  );
}
