import { type Kysely, sql } from 'kysely';
import { CATALOG } from './names.ts';

/** What each view is to be: the definition that was applied last. Only the owner moves it; what runs is another matter. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE ${CATALOG}.view_desired (
      view text COLLATE "C" PRIMARY KEY,
      fingerprint text COLLATE "C" NOT NULL,
      -- of the apply that moved it here; a later apply has a higher one, whatever view it is of
      apply_number bigint NOT NULL CHECK (apply_number > 0),
      actor text NOT NULL,
      -- why, in the words of whoever applied it
      message text,
      at timestamptz NOT NULL DEFAULT clock_timestamp()
    )`.execute(db);
}
