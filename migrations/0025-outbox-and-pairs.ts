import { type Kysely, sql } from 'kysely';
import { CATALOG } from './names.ts';

/** What is derived onto topics waits in one outbox; a label set's decisions and outcomes are held for as long as they may pair. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE ${CATALOG}.outbox_topic (
      topic text COLLATE "C" PRIMARY KEY,
      -- the fencing token of its sender: (generation, attempt_ms), compared as a pair
      generation bigint NOT NULL DEFAULT 0,
      attempt_ms bigint NOT NULL DEFAULT 0,
      owner text,
      -- waiting: counted here, so that nobody counts rows
      rows bigint NOT NULL DEFAULT 0 CHECK (rows >= 0),
      bytes bigint NOT NULL DEFAULT 0 CHECK (bytes >= 0),
      sent bigint NOT NULL DEFAULT 0,
      -- where each partition ended before the rows that wait were sent for the first time; null: none ever was
      cluster_id text,
      ends jsonb,
      updated_at timestamptz NOT NULL DEFAULT now()
    ) WITH (fillfactor = 50)`.execute(db);
  await sql`
    CREATE TABLE ${CATALOG}.outbox (
      topic text COLLATE "C" NOT NULL,
      seq bigint GENERATED ALWAYS AS IDENTITY,
      -- rows of one key are sent in the order of seq
      key bytea,
      -- what readers dedupe by; it stands in the value too
      id text NOT NULL,
      value bytea NOT NULL,
      timestamp_ms bigint NOT NULL,
      written_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (topic, seq)
    )`.execute(db);
  await sql`
    CREATE TABLE ${CATALOG}.pair_join (
      label_set text COLLATE "C" PRIMARY KEY,
      -- stands for what decides its pairs
      tag text COLLATE "C" NOT NULL,
      topic text COLLATE "C" NOT NULL,
      generation bigint NOT NULL DEFAULT 0,
      seq bigint NOT NULL DEFAULT 0,
      pairs bigint NOT NULL DEFAULT 0,
      too_large bigint NOT NULL DEFAULT 0,
      -- held now, and given up since nothing may pair with them any more: paired with nothing
      held_decisions bigint NOT NULL DEFAULT 0,
      held_outcomes bigint NOT NULL DEFAULT 0,
      held_decision_bytes bigint NOT NULL DEFAULT 0,
      held_outcome_bytes bigint NOT NULL DEFAULT 0,
      unpaired_decisions bigint NOT NULL DEFAULT 0,
      unpaired_outcomes bigint NOT NULL DEFAULT 0
    ) WITH (fillfactor = 50)`.execute(db);
  await sql`
    CREATE TABLE ${CATALOG}.pair_offset (
      label_set text COLLATE "C" NOT NULL REFERENCES ${CATALOG}.pair_join,
      side text COLLATE "C" NOT NULL CHECK (side IN ('decisions', 'outcomes')),
      topic text COLLATE "C" NOT NULL,
      partition int NOT NULL,
      cluster_id text NOT NULL,
      -- where reading began
      first_offset bigint NOT NULL,
      next_offset bigint NOT NULL,
      end_offset bigint NOT NULL,
      generation bigint NOT NULL DEFAULT 0,
      attempt_ms bigint NOT NULL DEFAULT 0,
      owner text,
      watermark_us bigint,
      begun boolean NOT NULL DEFAULT false,
      anchor_offset bigint,
      anchor_digest bytea,
      verdicts bytea,
      counts jsonb NOT NULL DEFAULT '{}',
      updated_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (label_set, side, partition)
    ) WITH (fillfactor = 50)`.execute(db);
  await sql`
    CREATE TABLE ${CATALOG}.pair_held (
      label_set text COLLATE "C" NOT NULL,
      side text COLLATE "C" NOT NULL,
      -- 16 bytes of SHA-256 of what both sides are joined by
      key bytea NOT NULL,
      time_us bigint NOT NULL,
      -- the same of its id
      id_hash bytea NOT NULL,
      -- its id as JSON text, which has room for every text
      id text NOT NULL,
      -- what its record on the topic of pairs is keyed by; of decisions
      record_key bytea,
      broker_us bigint,
      paired boolean NOT NULL,
      value bytea NOT NULL,
      PRIMARY KEY (label_set, side, key, time_us, id_hash)
    ) WITH (fillfactor = 80)`.execute(db);
  // Compression costs more than it saves of what is gone in days.
  await sql`ALTER TABLE ${CATALOG}.pair_held ALTER COLUMN value SET STORAGE EXTERNAL`.execute(db);
  await sql`ALTER TABLE ${CATALOG}.outbox ALTER COLUMN value SET STORAGE EXTERNAL`.execute(db);
  // Of both as one text: by (label_set, side, time_us) a planner without figures would look for keys, and go through all that is held.
  await sql`CREATE INDEX pair_held_by_time ON ${CATALOG}.pair_held ((label_set || '/' || side), time_us)`.execute(db);
}
