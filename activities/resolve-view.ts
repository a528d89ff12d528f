import { catalog, run } from '../engine/postgres/catalog.ts';
import { isKept } from '../engine/online/flip-readers.ts';
import { type ViewVersion, versions } from '../engine/postgres/view-versions.ts';
import type { LiveVersion, ViewPlan } from '../workflows/feature-lifecycle/contract.ts';
import type { ActivityDeps } from './activity-deps.ts';
import { desiredCode } from './desired-code.ts';

/** Says what a view is to be, as it was applied or, where it never was, by this worker's definitions, and what the catalog knows of it. Throws what `desiredCode` throws. */
export async function resolveView(deps: ActivityDeps, { view: name }: { readonly view: string }): Promise<ViewPlan> {
  const view = await desiredCode(deps, name);
  const { source, layout } = view;
  const all = await versions(deps.pool, name);
  const live = all.find(({ status }) => status === 'live');
  const kept = all.find(isKept);
  return {
    view: name,
    fingerprint: view.fingerprint,
    semantics: layout.semantics,
    former: (await view.fingerprintBefore?.()) ?? null,
    entity: layout.entity,
    source: source.name,
    topic: source.topic,
    history: source.history?.path ?? null,
    features: layout.features.map((feature) => feature.name),
    refreshMs: view.refreshMs,
    live: live === undefined ? null : servedOf(live),
    previous: kept === undefined ? null : { ...servedOf(kept), untilMs: Math.floor((kept.keptUntilUs ?? 0) / 1000) },
    generation: await highestGeneration(deps, name),
  };
}

function servedOf(version: ViewVersion): LiveVersion {
  return {
    version: version.version,
    fingerprint: version.fingerprint,
    semantics: version.semantics,
    topic: version.topic,
    rows: version.counts.records ?? 0,
    entities: version.entities,
    publishedAtMs: Math.floor((version.publishedAtUs ?? version.createdAtUs) / 1000),
  };
}

/** The highest fencing generation any version of the view that can be streamed has seen: a new owner must begin above it. */
export async function highestGeneration({ pool }: ActivityDeps, view: string): Promise<number> {
  const [row] = await run(
    pool,
    catalog
      .selectFrom('stream_offset as at')
      .innerJoin('view_version as of', (join) =>
        join.onRef('of.view', '=', 'at.view').onRef('of.version', '=', 'at.version'),
      )
      .select((eb) => eb.fn.max('at.generation').as('generation'))
      .where('at.view', '=', view)
      // Those of a retired version are locked for ever, by the highest generation there is.
      .where('of.status', 'not in', ['retired', 'discarded']),
  );
  return row?.generation ?? 0;
}
