import type pg from 'pg';
import { keyColumns } from '../engine/define/view-role.ts';
import type { NamedBlock } from '../engine/define/service-blocks.ts';
import type { ViewLayout } from '../engine/define/view-layout.ts';
import { distinctKeys } from '../engine/online/distinct-keys.ts';
import type { OnlineStore } from '../engine/online/online-store.ts';
import type { ViewRead } from '../engine/online/view-read.ts';
import { liveVersion } from '../engine/postgres/live-version.ts';
import { type ServiceVersion, serviceVersions } from '../engine/postgres/service-versions.ts';
import { keysOf } from './entity-arguments.ts';

/** What a service answers for one request. */
export interface AnsweredService {
  readonly service: string;
  /** The version of the service whose views and roles these are. */
  readonly version: number;
  /** In its order. */
  readonly blocks: readonly { readonly name: string; readonly layout: ViewLayout; readonly read: ViewRead }[];
}

/**
 * Reads a service as it is served, of the newest version that is: all of its views and roles, each entity of a view once. Null where no service of
 * that name is served.
 *
 * @param given arguments like `origin=LAS`, for the columns of all of them
 * @param atUs UTC epoch µs, one for all
 * @throws MillraceError `invalid-key`, and what reading does
 */
export async function getService(
  pool: pg.Pool,
  store: OnlineStore,
  service: string,
  given: readonly string[],
  atUs: number,
): Promise<AnsweredService | null> {
  const served = (await serviceVersions(pool, service)).find(({ missing }) => missing.length === 0);
  if (served === undefined) return null;
  const named = blocksOf(served);
  const layouts = new Map<string, ViewLayout>();
  for (const { view } of named.map(([, block]) => block)) {
    const live = await liveVersion(pool, view);
    if (live === null) return null;
    layouts.set(view, live.layout);
  }
  const asked = named.map(([name, { view, columns }]) => {
    const layout = layouts.get(view)!;
    return { name, layout, columns: keyColumns(layout.keys, columns) };
  });
  const keys = keysOf(`service "${service}"`, asked, given);
  const reads = new Map<string, ViewRead>();
  for (const [view, blocks] of Map.groupBy(asked, ({ layout }) => layout.view)) {
    const own = distinctKeys(blocks.map((block) => [keys[asked.indexOf(block)]!]));
    const read = await store.get(view, own.keys, { atUs });
    for (const [at, { name }] of blocks.entries()) reads.set(name, read[own.places[at]![0]!]!);
  }
  const blocks = asked.map(({ name, layout }) => ({ name, layout, read: reads.get(name)! }));
  return { service, version: served.version, blocks };
}

function blocksOf({ blocks, views }: ServiceVersion): [string, NamedBlock][] {
  if (blocks !== null) return Object.entries(blocks);
  return Object.keys(views).map((view) => [view, { view, columns: {} }]);
}
