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

/** Brings an empty database to an earlier schema: what a later migration finds on somebody's server. */
export async function migrateUpTo(databaseUrl: string, name: string): Promise<void> {
  const migrations: Record<string, Migration> = {};
  for (const each of await migrationNames())
    migrations[each] = (await import(new URL(`${each}.ts`, FOLDER).href)) as Migration;
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool: createPool(databaseUrl, { max: 1 }) }) });
  try {
    const provider = { getMigrations: () => Promise.resolve(migrations) };
    const migrator = new Migrator({ db, provider, migrationTableSchema: 'millrace_catalog' });
    const { error } = await migrator.migrateTo(name);
    if (error !== undefined) throw error;
  } finally {
    await db.destroy();
  }
}
