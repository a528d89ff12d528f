import { type Kysely, sql } from 'kysely';
import { CATALOG } from './names.ts';

/**
 * Which semantics of the engine built a version. Workers of the release before write none: what they insert is of the first, as they are.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE ${CATALOG}.view_version ADD COLUMN semantics int NOT NULL DEFAULT 1`.execute(db);
}
