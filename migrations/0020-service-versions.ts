import { type Kysely, sql } from 'kysely';
import { CATALOG } from './names.ts';

/** What each service was applied to be, version by version. Which is served is no column: it follows from what its views serve. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE ${CATALOG}.service_version (
      service text COLLATE "C" NOT NULL,
      version int NOT NULL CHECK (version > 0),
      -- stands for views
      tag text COLLATE "C" NOT NULL,
      -- view to feature to tag
      views jsonb NOT NULL,
      actor text NOT NULL,
      applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
      PRIMARY KEY (service, version)
    )`.execute(db);
}
