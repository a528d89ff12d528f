import { type Kysely, sql } from 'kysely';
import { CATALOG } from './names.ts';

/** What the features and the states of a version are told by. Versions of before have none: of their features, only the shape is known. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE ${CATALOG}.view_version ADD COLUMN tags jsonb`.execute(db);
}
