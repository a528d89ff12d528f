import type { Selectable } from 'kysely';
import type { CatalogTables, VersionStatus } from './catalog.ts';
import type { Queryable } from './queryable.ts';
import { runSql } from './run-sql.ts';
import { CATALOG } from './schemas.ts';
import { sqlText } from './sql.ts';
import type { ViewVersion } from './view-versions.ts';

/** A version as the catalog's row has it. */
export type VersionRow = Selectable<CatalogTables['view_version']>;

/** A row of the catalog as the rest of the engine knows it. */
export function versionOf(row: VersionRow): ViewVersion {
  return {
    view: row.view,
    version: row.version,
    fingerprint: row.fingerprint,
    layout: row.layout,
    layoutTag: row.layout_tag,
    // Readers are upgraded before the workers that migrate: then there is no such column yet.
    semantics: row.semantics ?? row.layout.semantics,
    status: row.status,
    stateTable: row.state_table,
    source: row.source,
    topic: row.topic,
    cut: row.cut,
    history: row.history,
    counts: row.counts,
    entities: row.entities,
    historyWatermarkUs: row.history_watermark_us,
    seq: row.seq,
    builder: row.builder,
    createdAtUs: row.created_at,
    builtAtUs: row.built_at ?? null,
    publishedAtUs: row.published_at,
    endedAtUs: row.ended_at,
    servedBefore: row.served_before ?? [],
    keptUntilUs: row.kept_until ?? null,
    sqlSurface: row.sql_surface,
    build: row.build ?? null,
    commitId: row.commit_id ?? null,
    tags: row.tags ?? null,
    observedFields: row.observed_fields ?? null,
    madeFrom: row.made_from ?? null,
    expiredRows: row.expired_rows ?? 0,
    expiredBeforeUs: row.expired_before_us ?? null,
  };
}

// What an application loads to read features is `pg` and ours: these two statements are written out, and need no query builder.

/** The version readers get, or null. */
export async function liveVersion(on: Queryable, view: string): Promise<ViewVersion | null> {
  const { rows } = await runSql<VersionRow>(
    on,
    sqlText`SELECT * FROM ${CATALOG}.view_version WHERE view = ${view} AND status = 'live'`,
  );
  return rows[0] === undefined ? null : versionOf(rows[0]);
}

/** The newest version of a view that has a feature with this tag; null where none has. */
export async function versionWithTag(
  on: Queryable,
  view: string,
  feature: string,
  tag: string,
): Promise<number | null> {
  const { rows } = await runSql<{ readonly version: number | null }>(
    on,
    // As JSON: before the database is migrated there is no such column.
    sqlText`SELECT max(version) AS version FROM ${CATALOG}.view_version v WHERE view = ${view} AND to_jsonb(v) -> 'tags' -> 'features' ->> ${feature} = ${tag}`,
  );
  return rows[0]?.version ?? null;
}

/** What became of the newest version of a view; null where there is none. */
export async function newestStatus(on: Queryable, view: string): Promise<VersionStatus | null> {
  const { rows } = await runSql<Pick<VersionRow, 'status'>>(
    on,
    sqlText`SELECT status FROM ${CATALOG}.view_version WHERE view = ${view} ORDER BY version DESC LIMIT 1`,
  );
  return rows[0]?.status ?? null;
}
