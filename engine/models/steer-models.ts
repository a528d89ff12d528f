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
import type { Queryable } from '../postgres/queryable.ts';
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
 * Lets an alias stand for a version, in the transaction that holds `lockModel`; what it stood for before. What it can go back to is the last version that
 * applications could hold: one that was published ahead of its features, and waits for them still, is passed over.
 */
export async function moveAlias(
  client: Queryable,
  { model, version, state }: Pick<ModelVersion, 'model' | 'version' | 'state'>,
  alias: ModelAlias,
  actor: string,
): Promise<number | null> {
  const row = (await modelAliases(client, model)).find((one) => one.alias === alias);
  if (row === undefined) {
    await setModelAlias(client, { model, alias, version, previous: null, actor });
  } else if (row.version !== version) {
    const before = await modelVersion(client, model, row.version);
    const isHeld = before === null || (await modelChanges(client, before)).length === 0;
    const previous = isHeld || row.previous === version ? row.version : (row.previous ?? row.version);
    await setModelAlias(client, { model, alias, version, previous, actor });
  }
  if (row?.version !== version && state === 'rolled-back') await setModelState(client, model, version, 'published');
  return row?.version ?? null;
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
    const before = await moveAlias(client, target, alias, actor);
    if (before === version) return { alias, version, before };
    const changes = ahead ? [] : await modelChanges(client, target);
    if (changes.length > 0) throw featuresOfModelChanged(target, changes); // and the alias stays where it was
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
 * @throws MillraceError `unknown-model` where the alias stands for nothing, `no-previous-model` where it never stood for anything else,
 * `model-features-changed` where applications could not hold what it stood for before
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
    await refuseUnserved(client, model, previous);
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

/** Applications would keep what they have, and those that start would have nothing: that is no way back. */
async function refuseUnserved(client: Queryable, model: string, previous: number): Promise<void> {
  const target = await modelVersion(client, model, previous);
  if (target === null) throw unknownModel(`version ${previous} of model "${model}"`);
  const changes = await modelChanges(client, target);
  if (changes.length === 0) return;
  throw featuresOfModelChanged(
    target,
    changes,
    'Roll the view back first, or name a version whose features are served ("millrace model list", "millrace model alias").',
  );
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
