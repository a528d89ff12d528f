import { type Kysely, sql } from 'kysely';
import { CATALOG } from './names.ts';

/** The code of what each version of a service derives: run by readers, exports and audits, so only the owner adds any. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    ALTER TABLE ${CATALOG}.service_version
      -- UTF-8, as engine/bundles/view-bundle.ts writes it; null: it derives nothing, or is from before code was kept
      ADD COLUMN bundle bytea,
      -- of those bytes
      ADD COLUMN sha256 bytea,
      -- of the key that signed the hash; null: nobody did
      ADD COLUMN key_id text COLLATE "C",
      ADD COLUMN signature bytea,
      ADD CHECK ((bundle IS NULL) = (sha256 IS NULL)),
      ADD CHECK ((key_id IS NULL) = (signature IS NULL))`.execute(db);
}
