import { type Kysely, sql } from 'kysely';
import { CATALOG } from './names.ts';

/**
 * What a record's way leaves behind: when a history's files were first read, which invalid records were accepted, and beside each partition's offset
 * the verdicts of its last records.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE ${CATALOG}.history_listing (
      source text COLLATE "C" NOT NULL,
      -- hex sha-256 of the files' names below the history's fixed folder, and their sizes
      digest text COLLATE "C" NOT NULL,
      -- what event times of these files are held against, by everyone who reads them: when somebody first did, epoch µs
      first_read_at_us bigint NOT NULL,
      files int NOT NULL,
      bytes bigint NOT NULL,
      PRIMARY KEY (source, digest)
    )`.execute(db);
  await sql`
    CREATE TABLE ${CATALOG}.accepted_invalid (
      source text COLLATE "C" NOT NULL,
      -- -1: history, by position
      partition int NOT NULL,
      -- exclusive: at invalid records before it no driver stops
      until_offset bigint NOT NULL,
      accepted_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (source, partition)
    )`.execute(db);
  await sql`
    ALTER TABLE ${CATALOG}.stream_offset
      ADD COLUMN begun boolean NOT NULL DEFAULT true,
      ADD COLUMN verdicts bytea,
      ADD COLUMN mostly_invalid boolean NOT NULL DEFAULT false`.execute(db);
  await sql`
    COMMENT ON COLUMN ${CATALOG}.stream_offset.begun IS 'whether a record of the partition has reached dedupe'`.execute(
    db,
  );
  await sql`
    COMMENT ON COLUMN ${CATALOG}.stream_offset.verdicts IS 'the last records by verdict (engine/admission/verdict-ring.ts); null: none yet'`.execute(
    db,
  );
}
