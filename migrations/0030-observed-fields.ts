import { type Kysely, sql } from 'kysely';
import { CATALOG } from './names.ts';

/** Which fields of its source the features of a version were observed to read. Of versions of before it is not known. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE ${CATALOG}.view_version ADD COLUMN observed_fields jsonb`.execute(db);
}
