import { type Kysely, sql } from 'kysely';
import { CATALOG } from './names.ts';

/** When the build of a version ended: with `created_at`, how long the next one may take. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE ${CATALOG}.view_version ADD COLUMN built_at timestamptz`.execute(db);
}
