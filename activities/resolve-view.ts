import { sqlText } from '../engine/postgres/sql.ts';
import { withClient } from '../engine/postgres/transaction.ts';
import type { LiveVersion, ViewPlan } from '../workflows/contracts.ts';
import { type ActivityDeps, viewNamed } from './activity-deps.ts';

interface LiveRow {
  readonly version: number;
  readonly fingerprint: string;
  readonly rows: string;
  readonly entities: string;
  readonly published_ms: string;
}

/** Says what a view is, by this worker's definitions, and what the catalog knows of it. Throws `unknown-view`. */
export async function resolveView(deps: ActivityDeps, { view: name }: { readonly view: string }): Promise<ViewPlan> {
  const view = viewNamed(deps, name);
  const { source, layout } = view;
  return {
    view: name,
    fingerprint: view.fingerprint,
    entity: layout.entity,
    source: source.name,
    topic: source.topic,
    history: source.history?.path ?? null,
    features: layout.features.map((feature) => feature.name),
    refreshMs: view.refreshMs,
    live: await liveVersion(deps, name),
    generation: await highestGeneration(deps, name),
  };
}

async function liveVersion({ pool }: ActivityDeps, view: string): Promise<LiveVersion | null> {
  const { rows } = await withClient(pool, (client) =>
    client.query<LiveRow>(sqlText`
    SELECT version, fingerprint, coalesce(counts->>'records', '0') AS rows, entities::text AS entities,
      (extract(epoch FROM published_at) * 1000)::bigint::text AS published_ms
    FROM millrace_catalog.view_version WHERE view = ${view} AND status = 'live'`),
  );
  const [row] = rows;
  if (row === undefined) return null;
  return {
    version: row.version,
    fingerprint: row.fingerprint,
    rows: Number(row.rows),
    entities: Number(row.entities),
    publishedAtMs: Number(row.published_ms),
  };
}

/** The highest fencing generation any version of the view has seen: a new owner must begin above it. */
export async function highestGeneration({ pool }: ActivityDeps, view: string): Promise<number> {
  const { rows } = await withClient(pool, (client) =>
    client.query<{ generation: string }>(sqlText`
    SELECT coalesce(max(generation), 0)::text AS generation FROM millrace_catalog.stream_offset WHERE view = ${view}`),
  );
  return Number(rows[0]?.generation ?? 0);
}
