import { Kysely, PostgresDialect, type PostgresPoolClient } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import type pg from 'pg';
import * as catalog from '../../migrations/0001-catalog.ts';
import * as readerRole from '../../migrations/0002-reader-role.ts';
import * as sqlFunctions from '../../migrations/0003-sql-functions.ts';
import * as archiveAndParity from '../../migrations/0004-archive-and-parity.ts';
import * as semantics from '../../migrations/0005-semantics.ts';
import * as intake from '../../migrations/0006-intake.ts';
import * as errors from '../../migrations/0007-errors.ts';
import * as backfillProgress from '../../migrations/0008-backfill-progress.ts';
import * as apiTokens from '../../migrations/0009-api-tokens.ts';
import * as keptSizes from '../../migrations/0010-kept-sizes.ts';
import * as commitIds from '../../migrations/0011-commit-ids.ts';
import * as auditEvents from '../../migrations/0012-audit-events.ts';
import * as viewBundles from '../../migrations/0013-view-bundles.ts';
import * as viewDesired from '../../migrations/0014-view-desired.ts';
import * as viewTags from '../../migrations/0015-view-tags.ts';
import * as keptVersions from '../../migrations/0016-kept-versions.ts';
import * as builtAt from '../../migrations/0017-built-at.ts';
import * as migrationNotes from '../../migrations/0018-migration-notes.ts';
import * as madeFrom from '../../migrations/0019-made-from.ts';
import * as serviceVersions from '../../migrations/0020-service-versions.ts';
import * as serviceBlocks from '../../migrations/0021-service-blocks.ts';
import * as expiredRows from '../../migrations/0022-expired-rows.ts';
import * as serviceCode from '../../migrations/0023-service-code.ts';
import * as models from '../../migrations/0024-models.ts';
import * as outboxAndPairs from '../../migrations/0025-outbox-and-pairs.ts';
import * as rollouts from '../../migrations/0026-rollouts.ts';
import * as rolloutEvidence from '../../migrations/0027-rollout-evidence.ts';
import * as labelTimes from '../../migrations/0028-label-times.ts';
import * as observedValues from '../../migrations/0030-observed-values.ts';
import * as monitors from '../../migrations/0029-monitors.ts';
import * as alerts from '../../migrations/0031-alerts.ts';
import * as alertWebhooks from '../../migrations/0034-alert-webhooks.ts';
import { internalBug, MillraceError } from '../errors/millrace-error.ts';
import { DEFAULT_INSTALLATION } from '../installation/installation-names.ts';
import { databaseAhead, notingMigrations, unknownMigrations } from './migration-notes.ts';
import { refuseMissingSchemas } from './missing-schemas.ts';
import { createPool, type PoolOptions, poolAddress } from './pool.ts';
import { namePostgresError } from './postgres-error.ts';
import type { Queryable } from './queryable.ts';
import { CATALOG, LOCKS } from './schemas.ts';
import { installationOf } from './settled-queries.ts';
import { withClient } from './transaction.ts';

/**
 * Every migration, in order. Listed by hand: what runs against a database is decided by the code, not by a folder's content. The first
 * release's have a ledger of their own: its workers refuse to start on one that names a migration they lack, and an upgrade
 * lets them run, and start again, until the last is replaced. For the same reason migrations only add.
 */
const FIRST_MIGRATIONS: Readonly<Record<string, Migration>> = {
  '0001-catalog': catalog,
  '0002-reader-role': readerRole,
  '0003-sql-functions': sqlFunctions,
  '0004-archive-and-parity': archiveAndParity,
};
const LATER_MIGRATIONS: Readonly<Record<string, Migration>> = {
  '0005-semantics': semantics,
  '0006-intake': intake,
  '0007-errors': errors,
  '0008-backfill-progress': backfillProgress,
  '0009-api-tokens': apiTokens,
  '0010-kept-sizes': keptSizes,
  '0011-commit-ids': commitIds,
  '0012-audit-events': auditEvents,
  '0013-view-bundles': viewBundles,
  '0014-view-desired': viewDesired,
  '0015-view-tags': viewTags,
  '0016-kept-versions': keptVersions,
  '0017-built-at': builtAt,
  '0018-migration-notes': migrationNotes,
  '0019-made-from': madeFrom,
  '0020-service-versions': serviceVersions,
  '0021-service-blocks': serviceBlocks,
  '0022-expired-rows': expiredRows,
  '0023-service-code': serviceCode,
  '0024-models': models,
  '0025-outbox-and-pairs': outboxAndPairs,
  '0026-rollouts': rollouts,
  '0027-rollout-evidence': rolloutEvidence,
  '0028-label-times': labelTimes,
  '0030-observed-values': observedValues,
  '0029-monitors': monitors,
  '0031-alerts': alerts,
  '0034-alert-webhooks': alertWebhooks,
};
export const FIRST_LEDGER = 'kysely_migration';
export const LATER_LEDGER = 'kysely_later_migration';
const KNOWN: readonly string[] = [...Object.keys(FIRST_MIGRATIONS), ...Object.keys(LATER_MIGRATIONS)];

/** Any constant: all processes of an installation take the same lock of the database while they migrate. */
const LOCK_KEY = 5_120_011;

function lockKey(on: Queryable): string {
  return installationOf(on).name === DEFAULT_INSTALLATION
    ? `${LOCK_KEY}`
    : `hashtextextended('${LOCKS.text} migrate', 0)`;
}

function dialectOn(client: pg.PoolClient): PostgresDialect {
  const borrowed: PostgresPoolClient = {
    query: client.query.bind(client) as PostgresPoolClient['query'],
    release: () => {},
  };
  return new PostgresDialect({
    pool: { connect: () => Promise.resolve(borrowed), end: () => Promise.resolve(), options: {} },
  });
}

/**
 * The migrations that have not run yet, in order. Needs the right to read the ledgers alone.
 *
 * @example
 * await pendingMigrations(pool); // [] on a database that is up to date
 */
export async function pendingMigrations(on: Queryable): Promise<string[]> {
  const done = new Set<string>();
  for (const ledger of [FIRST_LEDGER, LATER_LEDGER]) {
    const name = `${CATALOG.text}.${ledger}`;
    const { rows } = await on.query<{ exists: boolean }>({
      text: `SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = '${CATALOG.text}' AND tablename = $1) AS exists`,
      values: [ledger],
    });
    if (rows[0]?.exists !== true) continue;
    const { rows: names } = await on.query<{ name: string }>(`SELECT name FROM ${name}`);
    for (const row of names) done.add(row.name);
  }
  return KNOWN.filter((name) => !done.has(name));
}

/**
 * Why this program may not run on what a later release made of the database: MillraceError `database-ahead`; null where it may. Needs the right
 * to read the ledgers and the notes.
 *
 * @example
 * const ahead = await aheadOf(pool); // null on a database that this release, or the one before, migrated
 */
export async function aheadOf(on: Queryable): Promise<MillraceError | null> {
  return databaseAhead(await unknownMigrations(on, LATER_LEDGER, KNOWN), KNOWN);
}

async function refuseAhead(on: Queryable): Promise<void> {
  const ahead = await aheadOf(on);
  if (ahead !== null) throw ahead;
}

/**
 * For the start of a worker: a database that is up to date is left alone, one that is behind is migrated where the user of the URL may. Throws
 * MillraceError `database-ahead` where a later release made something of it that this one cannot run on, `database-behind` where the user may not
 * migrate, and what `migrateToLatest` throws.
 */
export async function ensureMigrated(
  databaseUrl: string,
  installation?: PoolOptions['installation'],
): Promise<string[]> {
  const pool = createPool(databaseUrl, { max: 1, applicationName: 'millrace-migrate', installation });
  try {
    await refuseAhead(pool);
    const pending = await pendingMigrations(pool);
    if (pending.length === 0) return [];
    if (!(await mayMigrate(pool))) {
      throw new MillraceError(
        'database-behind',
        `the database lacks ${pending.join(', ')}, and this user may not change its tables`,
        {
          remedy: 'Run "millrace migrate" as the owner, then start again.',
          httpStatus: 500,
          details: { pending },
        },
      );
    }
    return await withClient(pool, (client) => migrateOn(client));
  } catch (error) {
    throw namePostgresError(error, poolAddress(pool));
  } finally {
    await pool.end();
  }
}

/** Whether the user owns the catalog, as itself or as a member of its owner, or may make it. */
async function mayMigrate(on: Queryable): Promise<boolean> {
  const { rows } = await on.query<{ may: boolean }>(
    `SELECT coalesce((SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = '${CATALOG.text}'), ` +
      "has_database_privilege(current_database(), 'CREATE')) AS may",
  );
  return rows[0]?.may === true;
}

async function migrateOn(client: pg.PoolClient): Promise<string[]> {
  // Kysely locks its own table, but only once that exists: two first starts would race to create it.
  await client.query(`SELECT pg_advisory_lock(${lockKey(client)})`);
  try {
    await refuseAhead(client);
    if ((await pendingMigrations(client)).length > 0) await refuseMissingSchemas(client);
    const first = await runLedger(client, FIRST_LEDGER, FIRST_MIGRATIONS);
    const own = notingMigrations(LATER_MIGRATIONS, Object.keys(FIRST_MIGRATIONS));
    const later = { ...own, ...(await ofLaterReleases(client)) };
    return [...first, ...(await runLedger(client, LATER_LEDGER, later))];
  } finally {
    await client.query(`SELECT pg_advisory_unlock(${lockKey(client)})`);
  }
}

/** What a later release has run already: it only added, and is none of ours. */
async function ofLaterReleases(client: pg.PoolClient): Promise<Record<string, Migration>> {
  const unknown = await unknownMigrations(client, LATER_LEDGER, KNOWN);
  return Object.fromEntries(
    unknown.map(({ name }) => [
      name,
      { up: () => Promise.reject(internalBug(`migration ${name} is of a later release`)) },
    ]),
  );
}

async function runLedger(
  client: pg.PoolClient,
  ledger: string,
  migrations: Readonly<Record<string, Migration>>,
): Promise<string[]> {
  const db = new Kysely<unknown>({ dialect: dialectOn(client) });
  try {
    const migrator = new Migrator({
      db,
      provider: { getMigrations: () => Promise.resolve({ ...migrations }) },
      migrationTableSchema: installationOf(client).schemas.catalog,
      migrationTableName: ledger,
      migrationLockTableName: `${ledger}_lock`,
    });
    const { error, results } = await migrator.migrateToLatest();
    if (error !== undefined) {
      const failed = results?.find((result) => result.status === 'Error')?.migrationName ?? 'unknown';
      throw new MillraceError(
        'migration-failed',
        `migration ${failed} failed: ${error instanceof Error ? error.message : JSON.stringify(error)}`,
        {
          remedy: 'Nothing was changed. Correct the cause it names and start again; never edit an applied migration.',
          httpStatus: 500,
          cause: error,
        },
      );
    }
    return (results ?? []).map((result) => result.migrationName);
  } finally {
    await db.destroy();
  }
}

/**
 * Brings the database up to the newest schema and returns the names of the migrations it ran (none when it was there already).
 * Safe when several processes start at once: one migrates, the others wait and find nothing to do.
 * Throws MillraceError `migration-failed`, `database-ahead`, `schemas-missing`, `service-unreachable`, `database-refused`.
 *
 * @example
 * await migrateToLatest('postgres://postgres@127.0.0.1:5432/millrace'); // ['0001-catalog', …]
 */
export async function migrateToLatest(
  database: pg.Pool | string,
  installation?: PoolOptions['installation'],
): Promise<string[]> {
  if (typeof database !== 'string') return withClient(database, (client) => migrateOn(client));
  const pool = createPool(database, { max: 1, applicationName: 'millrace-migrate', installation });
  try {
    return await withClient(pool, (client) => migrateOn(client));
  } finally {
    await pool.end();
  }
}
