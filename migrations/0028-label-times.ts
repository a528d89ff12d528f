import { type Kysely, sql } from 'kysely';
import { CATALOG } from './names.ts';

/** Up to when labels were told of outcomes: it never goes back for an archive. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE ${CATALOG}.label_time (
      -- of the outcomes
      source text COLLATE "C" NOT NULL,
      topic text COLLATE "C" NOT NULL,
      cluster_id text COLLATE "C" NOT NULL,
      -- UTC epoch microseconds
      told_us bigint NOT NULL,
      told_at timestamptz NOT NULL DEFAULT clock_timestamp(),
      PRIMARY KEY (source, topic, cluster_id)
    )`.execute(db);
}
