import type { FeatureTags } from '../define/feature-lock.ts';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import type { ModelVersion } from '../postgres/model-versions.ts';
import type { Queryable } from '../postgres/queryable.ts';
import { isDerivedBy, servedService } from '../postgres/service-versions.ts';
import { sqlText } from '../postgres/sql.ts';

/** A feature that is served as something else than a model was trained on. */
export interface ModelChange {
  readonly view: string;
  /** `derived`: what the service derives. */
  readonly feature: string;
  readonly trained: string;
  /** `none`: it is not served. */
  readonly served: string;
}

type Trained = Pick<ModelVersion, 'service' | 'features' | 'derived'>;

/** Of the features of one view that a model was trained on, those that are not what they were. A version without tags is from before there were any: it cannot be told. */
export function changesInView(view: string, trained: FeatureTags, served: FeatureTags | null): ModelChange[] {
  if (served === null) return [];
  return Object.entries(trained).flatMap(([feature, tag]) =>
    served[feature] === tag ? [] : [{ view, feature, trained: tag, served: served[feature] ?? 'none' }],
  );
}

/**
 * Which features that a model was trained on are not served as that. None: it may be used.
 *
 * @example
 * await modelChanges(pool, version); // [{ view: 'route_delays', feature: 'flights_1d', trained: '0d4f…', served: 'none' }]
 */
export async function modelChanges(on: Queryable, { service, features, derived }: Trained): Promise<ModelChange[]> {
  const { rows } = await runSql<{ readonly view: string; readonly tags: FeatureTags | null }>(
    on,
    sqlText`SELECT view, tags -> 'features' AS tags FROM ${CATALOG}.view_version WHERE status = 'live' AND view = ANY(${Object.keys(features)})`,
  );
  const live = new Map(rows.map(({ view, tags }) => [view, tags]));
  const changes = Object.entries(features).flatMap(([view, trained]) =>
    changesInView(view, trained, live.has(view) ? (live.get(view) ?? null) : {}),
  );
  if (derived === null || changes.length > 0) return changes;
  const served = await servedService(on, service);
  if (served === null || isDerivedBy(served, derived)) return changes;
  return [{ view: service, feature: 'derived', trained: derived, served: served.derives ? 'another' : 'none' }];
}
