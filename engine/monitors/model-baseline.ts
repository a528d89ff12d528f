import type { Queryable } from '../postgres/queryable.ts';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';
import { type BaselineSummary, baselineOf, type ManifestBaseline } from './baseline.ts';

/** A version of a model. */
export interface ModelOf {
  readonly model: string;
  readonly version: number;
}

/** Keeps how the features were that a version was trained on. Idempotent; the version must be there. */
export async function saveModelBaseline(
  on: Queryable,
  { model, version }: ModelOf,
  baseline: ManifestBaseline,
): Promise<void> {
  await runSql(
    on,
    sqlText`
    INSERT INTO ${CATALOG}.model_baseline (model, version, baseline)
    VALUES (${model}, ${version}, ${JSON.stringify(baseline)}::jsonb)
    ON CONFLICT (model, version) DO NOTHING`,
  );
}

/**
 * How the features were that a version of a model was trained on, by output column (`<view>__<feature>`; the version's signature says of which feature each is);
 * null where that is not known: the manifest had none, or was published before baselines were.
 *
 * @example
 * (await modelBaseline(pool, { model: 'delay', version: 3 }))?.get('route_delays__delay_avg_7d')?.values.bins;
 */
export async function modelBaseline(
  on: Queryable,
  { model, version }: ModelOf,
): Promise<ReadonlyMap<string, BaselineSummary> | null> {
  const { rows } = await runSql<{ baseline: ManifestBaseline }>(
    on,
    sqlText`SELECT baseline FROM ${CATALOG}.model_baseline WHERE model = ${model} AND version = ${version}`,
  );
  return baselineOf({ baseline: rows[0]?.baseline });
}
