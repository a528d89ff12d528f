import { type Kysely, sql } from 'kysely';
import { CATALOG } from './names.ts';

/** How many rows of expired entities a version's stream has removed, before which event time, and how far its pass over the table is. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    ALTER TABLE ${CATALOG}.view_version
      ADD COLUMN expired_rows bigint NOT NULL DEFAULT 0,
      -- those had their newest event before it, µs; null: none was ever removed
      ADD COLUMN expired_before_us bigint,
      -- what the last pass that was begun would remove at least
      ADD COLUMN expiry_pass_us bigint,
      -- the next page of the pass under way; null: none is
      ADD COLUMN expiry_page bigint`.execute(db);
}
