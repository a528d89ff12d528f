import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { isMillraceError, MillraceError } from '../errors/millrace-error.ts';
import type { Queryable } from '../postgres/queryable.ts';
import { CATALOG, LOCKS } from '../postgres/schemas.ts';
import { dropStateTable } from '../postgres/state-table.ts';
import { withTransaction } from '../postgres/transaction.ts';
import {
  liveVersions,
  setSqlSurface,
  setVersionStatus,
  type ViewVersion,
  versions,
} from '../postgres/view-versions.ts';
import { dropSqlSurface, installSqlSurface, SQL_SURFACE } from './sql-surface.ts';

/** As long as readers that come wait behind a lock that cannot be had yet. */
const LOCK_TIMEOUT_MS = 200;
/** Between attempts readers pass. After these, the caller is told what it waits for; it tries again. */
const PAUSE_MS = 800;
const ATTEMPTS = 8;

/** No attempt's token is newer: after it nothing can commit to the stream of a version whose states are gone. */
const LAST_GENERATION = Number.MAX_SAFE_INTEGER;

/**
 * Runs `work` in one transaction whose locks SQL readers may hold: it never waits for one for long, or every reader that comes would wait behind it,
 * and tries again instead. Throws what `withTransaction` does; `transaction-conflict` where readers held the view each time.
 */
async function betweenReaders<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await withTransaction(pool, async (client) => {
        await client.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
        return work(client);
      });
    } catch (error) {
      if (!isMillraceError(error) || error.code !== 'transaction-conflict' || attempt === ATTEMPTS) throw error;
      await sleep(PAUSE_MS);
    }
  }
}

/** Takes the view's lock until the transaction ends and gives its versions, newest first. */
async function lockView(client: Queryable, view: string): Promise<ViewVersion[]> {
  await client.query({
    text: `SELECT pg_advisory_xact_lock(hashtextextended('${LOCKS.text} publish ' || $1, 0))`,
    values: [view],
  });
  const all = await versions(client, view);
  if (all.length === 0) {
    throw new MillraceError('unknown-view', `no version of view "${view}" was ever built`, {
      remedy: 'Start its lifecycle first.',
      httpStatus: 404,
    });
  }
  return all;
}

/** Drops what a version nobody reads takes up, and fences its stream; its catalog rows stay as history. */
async function dropContent(client: Queryable, view: string, version: number, stateTable: string): Promise<void> {
  await client.query({
    text: `UPDATE ${CATALOG.text}.stream_offset SET generation = $3 WHERE view = $1 AND version = $2`,
    values: [view, version, LAST_GENERATION],
  });
  await client.query({
    text: `DELETE FROM ${CATALOG.text}.dedupe_ids WHERE view = $1 AND version = $2`,
    values: [view, version],
  });
  await dropStateTable(client, stateTable);
}

/** The version whose SQL surface exists now, if any. */
function surfaceOf(all: readonly ViewVersion[]): ViewVersion | null {
  return all.find((version) => version.status === 'live') ?? null;
}

/**
 * Makes a built version the one readers get, in one transaction: the live one becomes `superseded`, this one `live`, and the SQL
 * view and function read it; states of versions superseded earlier are dropped. Its stream offsets were written with it, so that stream begins where batch ended. Doing it again changes nothing.
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
    const live = surfaceOf(all);
    if (live !== null) await setVersionStatus(client, view, live.version, ['live'], 'superseded');
    await setVersionStatus(client, view, version, ['built'], 'live');
    await installSqlSurface(client, target, live?.layout ?? null);
    await setSqlSurface(client, view, version, SQL_SURFACE);
    // What the flip before this one left behind. The version superseded just now stays until the next: its stream may not know yet.
    for (const older of all.filter(({ status }) => status === 'superseded')) {
      await setVersionStatus(client, view, older.version, ['superseded'], 'discarded');
      await dropContent(client, view, older.version, older.stateTable);
    }
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
