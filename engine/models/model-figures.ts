import type pg from 'pg';
import { type ModelAlias, modelAliases, modelVersions } from '../postgres/model-versions.ts';
import { modelChanges } from './model-fit.ts';

/** What is told of a model in figures. */
export interface ModelFigures {
  readonly model: string;
  /** How many were published. */
  readonly versions: number;
  readonly aliases: readonly {
    readonly alias: ModelAlias;
    /** Of the version it stands for, UTC epoch µs. */
    readonly publishedAtUs: number;
    /** Features that are not served as it was trained on them. */
    readonly changedFeatures: number;
  }[];
}

/** The figures of all models, by name. */
export async function modelFigures(pool: pg.Pool): Promise<ModelFigures[]> {
  const [versions, aliases] = await Promise.all([modelVersions(pool), modelAliases(pool)]);
  const models = [...new Set(versions.map(({ model }) => model))];
  return await Promise.all(
    models.map(async (model) => {
      const own = versions.filter((one) => one.model === model);
      const named = aliases.flatMap(({ model: of, alias, version }) => {
        const found = of === model ? own.find((one) => one.version === version) : undefined;
        return found === undefined ? [] : [{ alias, found }];
      });
      const figures = named.map(async ({ alias, found }) => ({
        alias,
        publishedAtUs: found.publishedAtUs,
        changedFeatures: (await modelChanges(pool, found)).length,
      }));
      return { model, versions: own.length, aliases: await Promise.all(figures) };
    }),
  );
}
