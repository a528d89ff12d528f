/** Databases that a release after this one, or the one before it, migrated. */
import { readFileSync } from 'node:fs';
import { Kysely, PostgresDialect } from 'kysely';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { type CatalogUse, unfitDatabase } from '../../engine/postgres/fit-database.ts';
import { aheadOf, ensureMigrated, migrateToLatest, pendingMigrations } from '../../engine/postgres/migrate.ts';
import { notingMigrations } from '../../engine/postgres/migration-notes.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { noteOf, RELEASED, THIS_RELEASE } from '../../engine/postgres/releases.ts';
import { startApi } from '../../serving/start-api.ts';
import { CliRun, runCli } from '../cli/run-cli.ts';
import { migrateUpTo, migrationNames } from './migrate-up-to.ts';
import { createOwnDatabase, type OwnDatabase } from './test-database.ts';

const ALL = await migrationNames();
const NEWEST = ALL.at(-1)!;
const LATER = '9001-of-the-next';

let database: OwnDatabase;
beforeEach(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl);
});
afterEach(() => database.drop());

/** What a later release does to a database: its migrations in the ledger, with what they ask of those that lack them. */
async function migratedBy(release: string, migrations: Readonly<Record<string, string | null>>): Promise<void> {
  await migrateToLatest(database.pool);
  for (const [name, needs] of Object.entries(migrations)) {
    await database.pool.query(
      "INSERT INTO millrace_catalog.kysely_later_migration VALUES ($1, '2030-01-01T00:00:00Z')",
      [name],
    );
    await database.pool.query('INSERT INTO millrace_catalog.migration_note VALUES ($1, $2, $3)', [
      name,
      release,
      needs,
    ]);
  }
}

async function unfit(use: CatalogUse): Promise<string | null> {
  return (await unfitDatabase(database.pool, use))?.code ?? null;
}

describe('notes of migrations', () => {
  it('say of each which release brought it, and what a program must know that lacks it', async () => {
    await migrateUpTo(database.url, RELEASED.at(-1)!.newest);
    expect((await migrateToLatest(database.pool))[0]).toBe('0005-semantics');
    const { rows } = await database.pool.query('SELECT * FROM millrace_catalog.migration_note ORDER BY name');
    expect(rows).toEqual(ALL.map((name) => noteOf(name)));
    expect(rows[0]).toEqual({ name: ALL[0], release: '0.1.0', needs: null });
    expect(rows[4]).toEqual({ name: '0005-semantics', release: THIS_RELEASE, needs: RELEASED.at(-1)!.newest });
    expect(noteOf('0005-semantics', new Set(['0005-semantics'])).needs).toBe('0005-semantics');
  });

  it('name releases that there are', () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
      readonly version: string;
    };
    expect([RELEASED.at(-1)!.release, THIS_RELEASE]).toContain(version);
    for (const { newest } of RELEASED) expect(ALL).toContain(newest);
  });

  it('come with the migration or not at all', async () => {
    await migrateToLatest(database.pool);
    const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool: createPool(database.url, { max: 1 }) }) });
    const noted = notingMigrations({ [LATER]: { up: () => Promise.resolve() } }, ALL)[LATER]!;
    const failing = new Error('the rest of the transaction failed');
    await expect(
      db.transaction().execute(async (transaction) => {
        await noted.up(transaction);
        throw failing;
      }),
    ).rejects.toBe(failing);
    const { rows } = await database.pool.query('SELECT 1 FROM millrace_catalog.migration_note WHERE name = $1', [
      LATER,
    ]);
    expect(rows).toEqual([]);
    await db.destroy();
  });
});

describe('a database that the next release migrated', () => {
  it('is run on, read and left as it is where it was only added to', async () => {
    await migratedBy('0.3.0', { [LATER]: NEWEST, '9002-any': null });
    expect(await ensureMigrated(database.url)).toEqual([]);
    expect(await migrateToLatest(database.pool)).toEqual([]);
    expect(await pendingMigrations(database.pool)).toEqual([]);
    expect([await unfit('needs-all'), await unfit('reads')]).toEqual([null, null]);
    expect(await runCli(['events'], { DATABASE_URL: database.url })).toMatchObject({ exitCode: 0 });
    expect((await runCli(['migrate', '--dry-run'], { DATABASE_URL: database.url })).stdout).toContain(
      'no migrations to run',
    );
  });

  it('is refused by everything that would start on it where this release cannot', async () => {
    await migratedBy('0.3.0', { [LATER]: LATER, '9002-any': null });
    const refusal = {
      code: 'database-ahead',
      message: `the database was migrated by release 0.3.0; ${LATER} asks for a program that knows ${LATER}, and this one is of release ${THIS_RELEASE} and knows ${NEWEST}`,
      remedy: expect.stringContaining('Run release 0.3.0') as string,
    };
    await expect(ensureMigrated(database.url)).rejects.toMatchObject(refusal);
    await expect(migrateToLatest(database.pool)).rejects.toMatchObject(refusal);
    expect([await unfit('needs-all'), await unfit('reads')]).toEqual(['database-ahead', 'database-ahead']);
    const variables = { DATABASE_URL: database.url, TEMPORAL_ADDRESS: inject('stack').temporalAddress };
    for (const command of [
      ['migrate'],
      ['migrate', '--dry-run'],
      ['events'],
      ['serve', '--port', '0'],
      ['worker'],
      ['plan', '--features', 'test/define/identities'],
    ]) {
      const { exitCode, stdout, stderr } = await runCli(command, variables);
      expect([command, exitCode, `${stdout}${stderr}`]).toEqual([
        command,
        1,
        expect.stringContaining('database-ahead') as string,
      ]);
    }
    expect((await runCli(['doctor'], variables)).stdout).toContain(refusal.message);
  });

  it('takes a server that runs already out of those that answer', async () => {
    await migrateToLatest(database.pool);
    const api = await startApi({ pool: database.pool, logLevel: 'silent' });
    try {
      const ready = async (): Promise<number> => (await fetch(`${api.url}/readyz`)).status;
      expect(await ready()).toBe(200);
      await migratedBy('0.3.0', { [LATER]: LATER });
      const answer = await fetch(`${api.url}/readyz`);
      expect([answer.status, await answer.json()]).toMatchObject([503, { code: 'database-ahead' }]);
    } finally {
      await api.close();
    }
  });

  it('is refused where more than one release lies between, or nobody noted anything', async () => {
    await migratedBy('0.4.0', { '9009-of-the-one-after': LATER });
    expect((await aheadOf(database.pool))?.message).toContain(`asks for a program that knows ${LATER}`);
    await database.pool.query('DELETE FROM millrace_catalog.migration_note WHERE name LIKE $1', ['9%']);
    const unnoted = await aheadOf(database.pool);
    expect(unnoted).toMatchObject({
      code: 'database-ahead',
      message: expect.stringContaining('another release or branch') as string,
    });
    await database.pool.query('DROP TABLE millrace_catalog.migration_note');
    expect((await aheadOf(database.pool))?.message).toBe(unnoted?.message);
  });
});

describe('a database of the release before', () => {
  it('is served, and refused by commands until it is migrated', async () => {
    await migrateUpTo(database.url, RELEASED.at(-1)!.newest);
    expect([await unfit('needs-all'), await unfit('reads')]).toEqual(['database-behind', null]);
    const refused = await runCli(['events'], { DATABASE_URL: database.url });
    expect(refused).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('the database lacks 0005-semantics'),
    });
    const run = new CliRun(['serve', '--port', '0'], { DATABASE_URL: database.url });
    await run.printed('answers');
    run.interrupt();
    expect((await run.ended).exitCode).toBe(0);
    expect(await ensureMigrated(database.url)).toEqual(ALL.slice(4));
    expect([await unfit('needs-all'), await unfit('reads')]).toEqual([null, null]);
  });

  it('is too old for readers where it is older still, and says nothing where nothing was ever migrated', async () => {
    expect([await unfit('needs-all'), await unfit('reads')]).toEqual([null, null]);
    await migrateUpTo(database.url, '0003-sql-functions');
    expect(await unfit('reads')).toBe('database-behind');
  });
});
