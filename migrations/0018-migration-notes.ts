import { type Kysely, sql } from 'kysely';
import { CATALOG } from './names.ts';

/**
 * What each migration asks of programs that do not know it: an older release finds here whether it may run on a database that a newer one migrated.
 * Written with each migration, in its transaction; those up to this one, with this one.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE ${CATALOG}.migration_note (
      name text COLLATE "C" PRIMARY KEY,
      -- that brought it: '0.2.0'
      release text NOT NULL,
      -- the newest migration that a program must know at least; null: any program may run
      needs text COLLATE "C"
    )`.execute(db);
}
