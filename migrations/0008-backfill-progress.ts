import { type Kysely, sql } from 'kysely';
import { CATALOG } from './names.ts';

/**
 * What a backfill has saved on its way, for another attempt of the same build to go on from. The states stand in tables of their own beside the
 * version's (`engine/backfill/saved-states.ts`).
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE ${CATALOG}.view_version ADD COLUMN build text`.execute(db);
  await sql`
    COMMENT ON COLUMN ${CATALOG}.view_version.build IS 'whose attempts may go on with it, or take it for built; null: nobody''s'`.execute(
    db,
  );
  // Its place among the records of its partition; of a row of history, its position. Null where it was written before this was noted.
  await sql`ALTER TABLE ${CATALOG}.dead_letter ADD COLUMN number bigint`.execute(db);
  await sql`
    CREATE TABLE ${CATALOG}.backfill_progress (
      view text COLLATE "C" NOT NULL,
      version int NOT NULL,
      -- the fence: when the attempt that may write was scheduled, epoch ms
      attempt_ms bigint NOT NULL,
      -- begun since anything was saved
      attempts int NOT NULL DEFAULT 1,
      -- {"partition": offset}: which invalid records were accepted when the build began
      accepted jsonb NOT NULL,
      -- where the scan stands (engine/backfill/saved-progress.ts); null: nothing is saved
      point jsonb,
      saved_at timestamptz,
      PRIMARY KEY (view, version),
      FOREIGN KEY (view, version) REFERENCES ${CATALOG}.view_version ON DELETE CASCADE
    )`.execute(db);
  await sql`
    CREATE TABLE ${CATALOG}.backfill_ids (
      view text COLLATE "C" NOT NULL,
      version int NOT NULL,
      -- -1: ids of the history
      partition int NOT NULL,
      -- ascending in the order they were claimed
      number bigint GENERATED ALWAYS AS IDENTITY,
      -- packed as in dedupe_ids
      ids bytea NOT NULL,
      PRIMARY KEY (view, version, partition, number)
    )`.execute(db);
}
