import { readdir } from 'node:fs/promises';
import { basename } from 'node:path';
import { Kysely, PostgresDialect } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import { createPool } from '../../engine/postgres/pool.ts';

const FOLDER = new URL('../../migrations/', import.meta.url);

/** The names of all migrations there are, in order: what the hand-written list must hold. */
export async function migrationNames(): Promise<string[]> {
  return (await readdir(FOLDER))
    .filter((each) => /^\d.*\.ts$/.test(each))
    .toSorted()
    .map((each) => basename(each, '.ts'));
}

/** The newest migration of the first ledger; the others are in the later one. */
const NEWEST_OF_FIRST = '0004-archive-and-parity';

/** Brings an empty database to an earlier schema: what a later migration finds on somebody's server. */
export async function migrateUpTo(databaseUrl: string, name: string): Promise<void> {
  const migrations: Record<string, Migration> = {};
  for (const each of await migrationNames())
    migrations[each] = (await import(new URL(`${each}.ts`, FOLDER).href)) as Migration;
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool: createPool(databaseUrl, { max: 1 }) }) });
  try {
    const upTo = async (last: string, table: string, isOf: (name: string) => boolean): Promise<void> => {
      const own = Object.fromEntries(Object.entries(migrations).filter(([each]) => isOf(each)));
      const migrator = new Migrator({
        db,
        provider: { getMigrations: () => Promise.resolve(own) },
        migrationTableSchema: 'millrace_catalog',
        migrationTableName: table,
        migrationLockTableName: `${table}_lock`,
      });
      const { error } = await migrator.migrateTo(last);
      if (error !== undefined) throw error;
    };
    const isFirst = (each: string): boolean => each <= NEWEST_OF_FIRST;
    await upTo(isFirst(name) ? name : NEWEST_OF_FIRST, 'kysely_migration', isFirst);
    if (!isFirst(name)) await upTo(name, 'kysely_later_migration', (each) => !isFirst(each));
  } finally {
    await db.destroy();
  }
}
