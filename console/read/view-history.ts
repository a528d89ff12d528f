import type { Queryable } from '../../engine/postgres/queryable.ts';
import type { VersionStatus } from '../../engine/postgres/catalog.ts';
import { runSql } from '../../engine/postgres/run-sql.ts';
import { CATALOG, STATE } from '../../engine/postgres/schemas.ts';
import { sqlText } from '../../engine/postgres/sql.ts';

/** A version of a view, and what it takes up. */
export interface VersionRow {
  readonly version: number;
  readonly status: VersionStatus;
  readonly fingerprint: string;
  readonly semantics: number;
  readonly builder: string | null;
  readonly madeFrom: number | null;
  readonly createdAtUs: number;
  readonly publishedAtUs: number | null;
  readonly endedAtUs: number | null;
  /** As Postgres estimates it; null where its table is gone, or was never looked at. */
  readonly entities: number | null;
  readonly bytes: number | null;
}

/** So many versions are listed, the newest. */
export const MOST_VERSIONS = 20;

/** The newest versions of a view. Entities are Postgres' estimate: nothing is counted. */
export async function versionRows(on: Queryable, view: string): Promise<VersionRow[]> {
  const { rows } = await runSql<VersionRow>(
    on,
    sqlText`
    SELECT v.version, v.status, v.fingerprint, v.semantics, v.builder, v.made_from AS "madeFrom", v.created_at AS "createdAtUs",
      v.published_at AS "publishedAtUs", v.ended_at AS "endedAtUs", pg_total_relation_size(c.oid)::bigint AS bytes,
      CASE WHEN c.oid IS NULL THEN NULL ELSE nullif(greatest(pg_stat_get_live_tuples(c.oid), c.reltuples::bigint), -1) END AS entities
    FROM (SELECT * FROM ${CATALOG}.view_version WHERE view = ${view} ORDER BY version DESC LIMIT ${MOST_VERSIONS}) v
    LEFT JOIN pg_class c ON c.relnamespace = '${STATE}'::regnamespace AND c.relname = v.state_table AND c.relkind = 'r'
    ORDER BY v.version DESC`,
  );
  return rows;
}
