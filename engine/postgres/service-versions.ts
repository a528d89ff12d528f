import { tagOf } from '../define/tag-of.ts';
import type { FeatureTags } from '../define/feature-lock.ts';
import type { NamedBlock } from '../define/service-blocks.ts';
import type { Queryable } from './queryable.ts';
import { runSql } from './run-sql.ts';
import { CATALOG } from './schemas.ts';
import { sqlText } from './sql.ts';

/** View to feature to tag: what a service is. */
export type ServiceFeatures = Readonly<Record<string, FeatureTags>>;

/** A service as it is applied. */
export interface AppliedService {
  readonly views: ServiceFeatures;
  /** Null: its views, none in a role. */
  readonly blocks: Readonly<Record<string, NamedBlock>> | null;
  /** Stands for what it derives of them; left out: nothing. */
  readonly derived?: string | undefined;
}

/** One version of a feature service: its features as they were applied. */
export interface ServiceVersion extends Omit<AppliedService, 'derived'> {
  readonly service: string;
  readonly version: number;
  readonly tag: string;
  readonly actor: string;
  /** UTC epoch µs. */
  readonly appliedAtUs: number;
  /** Its views that do not serve all of its features, as it means them; none: every reader of it is served. */
  readonly missing: readonly string[];
}

export type NotedService = Pick<ServiceVersion, 'service' | 'version'>;

/**
 * Notes what services are to be: one whose features, their meaning, roles or derived features are others than in its newest version gets the next. In the transaction of an
 * apply, which holds `lockDesired`.
 *
 * @returns the services that got one, and which
 */
export async function noteServices(
  client: Queryable,
  services: Readonly<Record<string, AppliedService>>,
  actor: string,
): Promise<NotedService[]> {
  const noted: NotedService[] = [];
  for (const [service, { views, blocks, derived }] of Object.entries(services)) {
    // Without roles as before there were any: an upgrade makes no version.
    const tag = tagOf(
      blocks === null && derived === undefined
        ? views
        : { views, ...(blocks === null ? {} : { blocks }), ...(derived === undefined ? {} : { derived }) },
    );
    const { rows } = await runSql<NotedService>(
      client,
      sqlText`
      INSERT INTO ${CATALOG}.service_version (service, version, tag, views, blocks, actor)
      SELECT ${service}, coalesce(max(version), 0) + 1, ${tag}, ${JSON.stringify(views)}::jsonb, ${blocks === null ? null : JSON.stringify(blocks)}::json, ${actor}
      FROM ${CATALOG}.service_version WHERE service = ${service}
      HAVING (array_agg(tag ORDER BY version DESC))[1] IS DISTINCT FROM ${tag}
      RETURNING service, version`,
    );
    noted.push(...rows);
  }
  return noted;
}

/**
 * The versions of a service, newest first. Which of them are served follows from what its views serve, so that one becomes it in the very transaction
 * in which the last of its views does.
 *
 * @example
 * const served = (await serviceVersions(pool, 'delay_model')).find(({ missing }) => missing.length === 0);
 */
export async function serviceVersions(on: Queryable, service: string): Promise<ServiceVersion[]> {
  const { rows } = await runSql<Omit<ServiceVersion, 'appliedAtUs'> & { readonly applied_at: number }>(
    on,
    sqlText`
    SELECT s.service, s.version, s.tag, s.views, s.blocks, s.actor, s.applied_at, (
      SELECT coalesce(jsonb_agg(own.view ORDER BY own.view COLLATE "C"), '[]') FROM jsonb_each(s.views) AS own(view, features)
      WHERE NOT EXISTS (
        SELECT FROM ${CATALOG}.view_version live
        WHERE live.view = own.view AND live.status = 'live' AND live.tags -> 'features' @> own.features)) AS missing
    FROM ${CATALOG}.service_version s WHERE s.service = ${service} ORDER BY s.version DESC`,
  );
  return rows.map(({ applied_at: appliedAtUs, ...rest }) => ({ ...rest, appliedAtUs }));
}
