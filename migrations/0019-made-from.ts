import { type Kysely, sql } from 'kysely';
import { CATALOG } from './names.ts';

/** The version of whose states one was made; null: it was built from the log. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE ${CATALOG}.view_version ADD COLUMN made_from int`.execute(db);
}
