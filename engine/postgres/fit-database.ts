import { MillraceError } from '../errors/millrace-error.ts';
import { aheadOf, FIRST_LEDGER, LATER_LEDGER, pendingMigrations } from './migrate.ts';
import { mayRead } from './migration-notes.ts';
import { createPool, type PoolOptions, poolAddress } from './pool.ts';
import { namePostgresError } from './postgres-error.ts';
import type { Queryable } from './queryable.ts';
import { RELEASED } from './releases.ts';

/** What a program does with the catalog: readers are upgraded before it is migrated, and work on that of the release before. */
export type CatalogUse = 'reads' | 'needs-all';

/**
 * Why a program of this release may not run on the database as it is migrated now: MillraceError `database-ahead`, `database-behind`; null where
 * it may, where nothing was ever migrated (what is asked of it then says so), and where the session's user may not look.
 *
 * @example
 * const unfit = await unfitDatabase(pool, 'reads');
 */
export async function unfitDatabase(on: Queryable, use: CatalogUse): Promise<MillraceError | null> {
  if ((await mayRead(on, FIRST_LEDGER)) !== true || (await mayRead(on, LATER_LEDGER)) === false) return null;
  const ahead = await aheadOf(on);
  if (ahead !== null) return ahead;
  const before = RELEASED.at(-1)?.newest ?? '';
  const pending = (await pendingMigrations(on)).filter((name) => use === 'needs-all' || name <= before);
  if (pending.length === 0) return null;
  return new MillraceError('database-behind', `the database lacks ${pending.join(', ')}`, {
    remedy: 'Run "millrace migrate" as the owner, then try again.',
    httpStatus: 503,
    details: { pending },
  });
}

/** Throws what `unfitDatabase` says, `service-unreachable`, `database-refused`. */
export async function refuseUnfitDatabase(
  databaseUrl: string,
  use: CatalogUse,
  installation?: PoolOptions['installation'],
  pooled?: boolean,
): Promise<void> {
  const pool = createPool(databaseUrl, { max: 1, applicationName: 'millrace-cli', installation, pooled });
  let unfit: MillraceError | null;
  try {
    unfit = await unfitDatabase(pool, use);
  } catch (error) {
    throw namePostgresError(error, poolAddress(pool));
  } finally {
    await pool.end();
  }
  if (unfit !== null) throw unfit;
}
