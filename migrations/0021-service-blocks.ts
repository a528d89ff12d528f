import { type Kysely, sql } from 'kysely';
import { CATALOG } from './names.ts';

/** What a service has under each name: part of what a version of it is, where a view stands in roles. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    ALTER TABLE ${CATALOG}.service_version
      -- name to view and to the columns of its join keys, in their order; null: the views themselves
      ADD COLUMN blocks json`.execute(db);
}
