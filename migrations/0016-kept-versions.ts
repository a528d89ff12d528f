import { type Kysely, sql } from 'kysely';
import { CATALOG } from './names.ts';

/**
 * Versions that readers were flipped from and may be flipped back to: kept for a time, at most one of a view. One may be served several times;
 * `published_at` and `ended_at` are of the last.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    ALTER TABLE ${CATALOG}.view_version
    ADD COLUMN kept_until timestamptz,
    -- [[from, until], ...] in epoch µs
    ADD COLUMN served_before jsonb NOT NULL DEFAULT '[]'`.execute(db);
  await sql`
    CREATE UNIQUE INDEX view_version_one_kept ON ${CATALOG}.view_version (view)
    WHERE kept_until IS NOT NULL AND status = 'superseded'`.execute(db);
}
