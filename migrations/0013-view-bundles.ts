import { type Kysely, sql } from 'kysely';
import { CATALOG } from './names.ts';

/** The code of versions, by fingerprint. Rows here are run by workers: only the owner adds any, and nobody changes one. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE ${CATALOG}.view_bundle (
      fingerprint text COLLATE "C" PRIMARY KEY,
      view text COLLATE "C" NOT NULL,
      semantics integer NOT NULL,
      -- UTF-8, as engine/bundles/view-bundle.ts writes it: all else here is told by it
      bundle bytea NOT NULL,
      -- of those bytes
      sha256 bytea NOT NULL,
      layout jsonb NOT NULL,
      stored_by text NOT NULL,
      stored_at timestamptz NOT NULL DEFAULT clock_timestamp(),
      -- of the key that signed the hash; null: nobody did
      key_id text COLLATE "C",
      signature bytea,
      CHECK ((key_id IS NULL) = (signature IS NULL))
    )`.execute(db);
  await sql`CREATE INDEX view_bundle_view ON ${CATALOG}.view_bundle (view, stored_at)`.execute(db);
}
