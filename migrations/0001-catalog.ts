import { type Kysely, sql } from 'kysely';
import { ensureSchema } from './ensure-schema.ts';
import { CATALOG, STATE, SURFACE } from './names.ts';

/** The catalog (versions, offsets, commits, dead letters, dedupe ids), the state schema and the schema users read. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await ensureSchema(db, SURFACE);
  await ensureSchema(db, CATALOG);
  await ensureSchema(db, STATE);
  await sql`
    CREATE TABLE ${CATALOG}.view_version (
      view text COLLATE "C" NOT NULL,
      version int NOT NULL,
      fingerprint text NOT NULL,
      layout jsonb NOT NULL,
      layout_tag bigint NOT NULL,
      status text NOT NULL CHECK (status IN ('building', 'built', 'live', 'superseded', 'discarded', 'retired')),
      state_table text NOT NULL,
      source text NOT NULL,
      topic text,
      -- {"clusterId", "partitions": [{"partition", "lowOffset", "endOffset"}], "takenAtUs"}; null for a source without a topic
      cut jsonb,
      -- {"files": [{"path", "sizeBytes", "rows"}], ...}
      history jsonb,
      counts jsonb NOT NULL DEFAULT '{}',
      entities bigint NOT NULL DEFAULT 0,
      -- newest event time of the history, the starting watermark of every partition
      history_watermark_us bigint,
      -- last commit sequence number given out; 0 is the backfill itself
      seq bigint NOT NULL DEFAULT 0,
      builder text,
      created_at timestamptz NOT NULL DEFAULT now(),
      published_at timestamptz,
      PRIMARY KEY (view, version)
    )`.execute(db);
  await sql`CREATE UNIQUE INDEX view_version_one_live ON ${CATALOG}.view_version (view) WHERE status = 'live'`.execute(
    db,
  );
  await sql`
    CREATE TABLE ${CATALOG}.stream_offset (
      view text COLLATE "C" NOT NULL,
      version int NOT NULL,
      topic text COLLATE "C" NOT NULL,
      partition int NOT NULL,
      next_offset bigint NOT NULL,
      -- end of the partition as last seen, for lag
      end_offset bigint NOT NULL,
      -- the fencing token: (generation, attempt_ms), compared as a pair
      generation bigint NOT NULL DEFAULT 0,
      attempt_ms bigint NOT NULL DEFAULT 0,
      owner text,
      watermark_us bigint,
      cluster_id text NOT NULL,
      -- the last record passed and a digest of it: tells a topic that was deleted and made again from the one we know
      anchor_offset bigint,
      anchor_digest bytea,
      counts jsonb NOT NULL DEFAULT '{}',
      updated_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (view, version, topic, partition),
      FOREIGN KEY (view, version) REFERENCES ${CATALOG}.view_version ON DELETE CASCADE
    )`.execute(db);
  await sql`
    CREATE TABLE ${CATALOG}.commit_record (
      view text COLLATE "C" NOT NULL,
      version int NOT NULL,
      seq bigint NOT NULL,
      topic text COLLATE "C" NOT NULL,
      partition int NOT NULL,
      from_offset bigint NOT NULL,
      until_offset bigint NOT NULL,
      watermark_us bigint,
      committed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
      PRIMARY KEY (view, version, seq, topic, partition)
    )`.execute(db);
  await sql`
    CREATE TABLE ${CATALOG}.dead_letter (
      view text COLLATE "C" NOT NULL,
      version int NOT NULL,
      source text NOT NULL,
      -- the topic, or 'history' with partition -1 and the position by (file name, row)
      topic text COLLATE "C" NOT NULL,
      partition int NOT NULL,
      "offset" bigint NOT NULL,
      file text,
      payload bytea,
      reasons jsonb NOT NULL,
      broker_timestamp_us bigint,
      created_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (view, version, topic, partition, "offset")
    )`.execute(db);
  await sql`
    CREATE TABLE ${CATALOG}.dedupe_ids (
      view text COLLATE "C" NOT NULL,
      version int NOT NULL,
      topic text COLLATE "C" NOT NULL,
      -- -1: ids of the history, known to every partition
      partition int NOT NULL,
      seq bigint NOT NULL,
      chunk int NOT NULL DEFAULT 0,
      -- newest first-seen event time among the ids: the row can go once the watermark is beyond it by more than the horizon
      newest_event_time_us bigint NOT NULL,
      -- per id 24 bytes: 16 of hash, 8 of its event time in µs (big-endian, signed)
      ids bytea NOT NULL,
      PRIMARY KEY (view, version, topic, partition, seq, chunk)
    )`.execute(db);
}
