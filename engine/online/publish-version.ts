import type pg from 'pg';
import { MillraceError } from '../errors/millrace-error.ts';
import { liveVersions, setSqlSurface, setVersionStatus } from '../postgres/view-versions.ts';
import {
  betweenReaders,
  dropContent,
  dropSuperseded,
  flipReaders,
  isKept,
  lockView,
  surfaceOf,
} from './flip-readers.ts';
import { dropSqlSurface, installSqlSurface, SQL_SURFACE } from './sql-surface.ts';

/**
 * Makes a built version the one readers get, in one transaction: the live one becomes `superseded`, this one `live`, and the SQL
 * view and function read it; states of versions superseded earlier are dropped, except of one that is kept. Its stream offsets were written with it, so that stream begins where batch ended. Doing it again changes nothing.
 *
 * Throws MillraceError `unknown-view`, `version-not-built`, `sql-view-in-use`, `transaction-conflict` (retryable: SQL readers held the view).
 *
 * @example
 * await publishVersion({ pool, view: 'route_delays', version: 1 });
 */
export async function publishVersion(options: {
  readonly pool: pg.Pool;
  readonly view: string;
  readonly version: number;
}): Promise<void> {
  const { pool, view, version } = options;
  await betweenReaders(pool, async (client) => {
    const all = await lockView(client, view);
    const target = all.find((one) => one.version === version);
    if (target?.status === 'live') return;
    if (target?.status !== 'built') {
      throw new MillraceError(
        'version-not-built',
        `version ${version} of view "${view}" cannot be published: expected status built, received ${target?.status ?? 'no such version'}`,
        { remedy: 'Backfill the view again.', httpStatus: 409 },
      );
    }
    await flipReaders(client, all, target);
    // What the flip before this one left behind. The version superseded just now stays until the next: its stream may not know yet.
    await dropSuperseded(
      client,
      all.filter((older) => older.status === 'superseded' && !isKept(older)),
    );
  });
}

/** What became of the SQL surfaces of an older form. */
export interface RenewedSurfaces {
  /** Views whose surface was made anew. */
  readonly renewed: readonly string[];
  /** Views that keep the one they had, and why: it goes on as before. */
  readonly kept: readonly { readonly view: string; readonly error: unknown }[];
}

/**
 * Gives every live version whose SQL view and function are of an older form the present one, in place: what users built on them stays. For the
 * start of a worker, after the migrations. A view that cannot be renewed now (an SQL reader holds it) is told of and left as it was: no worker
 * fails to start for it.
 *
 * @example
 * const { renewed } = await renewSqlSurfaces(pool); // ['route_delays']
 */
export async function renewSqlSurfaces(pool: pg.Pool): Promise<RenewedSurfaces> {
  const renewed: string[] = [];
  const kept: { view: string; error: unknown }[] = [];
  for (const { view, sqlSurface } of await liveVersions(pool)) {
    if (sqlSurface >= SQL_SURFACE) continue;
    try {
      if (await renewSurface(pool, view)) renewed.push(view);
    } catch (error) {
      kept.push({ view, error });
    }
  }
  return { renewed, kept };
}

/** False where another process was quicker. */
function renewSurface(pool: pg.Pool, view: string): Promise<boolean> {
  return betweenReaders(pool, async (client) => {
    const live = surfaceOf(await lockView(client, view));
    if (live === null || live.sqlSurface >= SQL_SURFACE) return false;
    await installSqlSurface(client, live, live.layout);
    await setSqlSurface(client, view, live.version, SQL_SURFACE);
    return true;
  });
}

/**
 * Takes a view out of service in one transaction: reads answer `view-not-published`, its SQL view and function and its states are
 * dropped, and no stream can commit to it any more. The catalog keeps its versions as `retired`. Doing it again changes nothing.
 *
 * Throws MillraceError `unknown-view`, `sql-view-in-use`, `transaction-conflict` (retryable).
 */
export async function retireView(options: { readonly pool: pg.Pool; readonly view: string }): Promise<void> {
  const { pool, view } = options;
  await betweenReaders(pool, async (client) => {
    const all = await lockView(client, view);
    const live = surfaceOf(all);
    if (live !== null) await dropSqlSurface(client, live.layout);
    for (const { version, status, stateTable } of all) {
      if (status === 'retired' || status === 'discarded') continue;
      await setVersionStatus(client, view, version, [status], 'retired');
      await dropContent(client, view, version, stateTable);
    }
  });
}
