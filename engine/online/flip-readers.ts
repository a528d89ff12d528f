import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { isMillraceError, MillraceError } from '../errors/millrace-error.ts';
import type { Queryable } from '../postgres/queryable.ts';
import { CATALOG, LOCKS } from '../postgres/schemas.ts';
import { dropStateTable } from '../postgres/state-table.ts';
import { withTransaction } from '../postgres/transaction.ts';
import { setSqlSurface, setVersionStatus, type ViewVersion, versions } from '../postgres/view-versions.ts';
import { installSqlSurface, SQL_SURFACE } from './sql-surface.ts';

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
export async function betweenReaders<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
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
export async function lockView(client: Queryable, view: string): Promise<ViewVersion[]> {
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
export async function dropContent(client: Queryable, view: string, version: number, stateTable: string): Promise<void> {
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
export function surfaceOf(all: readonly ViewVersion[]): ViewVersion | null {
  return all.find((version) => version.status === 'live') ?? null;
}

/** True of a version that readers were flipped from, and that is kept for them to be flipped back to it. */
export function isKept({ status, keptUntilUs }: Pick<ViewVersion, 'status' | 'keptUntilUs'>): boolean {
  return status === 'superseded' && keptUntilUs !== null;
}

/**
 * Makes `target` the version readers get, inside the transaction that holds the view's lock: the live one becomes `superseded`, and the SQL view and
 * function read the target. Gives the version that was live.
 */
export async function flipReaders(
  client: pg.PoolClient,
  all: readonly ViewVersion[],
  target: ViewVersion,
): Promise<ViewVersion | null> {
  const { view, version, status } = target;
  const live = surfaceOf(all);
  if (live !== null) await setVersionStatus(client, view, live.version, ['live'], 'superseded');
  await setVersionStatus(client, view, version, [status], 'live');
  await installSqlSurface(client, target, live?.layout ?? null);
  await setSqlSurface(client, view, version, SQL_SURFACE);
  return live;
}

/** Drops what versions take up that neither readers nor anybody who flips them back needs any more. */
export async function dropSuperseded(client: Queryable, superseded: readonly ViewVersion[]): Promise<void> {
  for (const { view, version, stateTable } of superseded) {
    await setVersionStatus(client, view, version, ['superseded'], 'discarded');
    await dropContent(client, view, version, stateTable);
  }
}
