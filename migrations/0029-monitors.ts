import { type Kysely, sql } from 'kysely';
import { CATALOG } from './names.ts';

/** What monitors keep: how the files of an archive and their buckets stand exactly, and what readers see of the buckets. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE ${CATALOG}.monitor_bucket (
      place text COLLATE "C" NOT NULL CHECK (place IN ('source', 'store', 'served')),
      object text COLLATE "C" NOT NULL,
      grain text COLLATE "C" NOT NULL CHECK (grain IN ('hour', 'day', 'week')),
      -- UTC epoch milliseconds of the bucket's begin
      begin_ms bigint NOT NULL,
      -- both empty: the whole
      segment_name text COLLATE "C" NOT NULL,
      segment_value text COLLATE "C" NOT NULL,
      -- of records or reads; null where nobody counts them
      records jsonb,
      -- {"field": how its values are}
      fields jsonb NOT NULL,
      PRIMARY KEY (place, object, grain, begin_ms, segment_name, segment_value)
    )`.execute(db);
  await sql`
    CREATE INDEX monitor_bucket_by_segment
    ON ${CATALOG}.monitor_bucket (place, object, segment_name, segment_value, begin_ms)`.execute(db);
  await sql`
    CREATE TABLE ${CATALOG}.monitor_source (
      source text COLLATE "C" PRIMARY KEY,
      -- the newest time that records told of, UTC epoch milliseconds: what the age of a bucket counts from
      newest_ms bigint,
      -- how many of a name's segments keep sketches beside their counts, where the budget was spent; null: all
      sketched int,
      bytes bigint NOT NULL DEFAULT 0,
      budget_bytes bigint NOT NULL DEFAULT 0,
      -- when sketches were dropped last
      dropped_at timestamptz,
      folded_at timestamptz
    )`.execute(db);
  // What an archived file told, until it is folded into its buckets.
  await sql`
    CREATE TABLE ${CATALOG}.monitor_part (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      source text COLLATE "C" NOT NULL,
      grain text COLLATE "C" NOT NULL CHECK (grain IN ('hour', 'day', 'week')),
      begin_ms bigint NOT NULL,
      newest_ms bigint,
      state bytea NOT NULL
    )`.execute(db);
  await sql`CREATE INDEX monitor_part_by_source ON ${CATALOG}.monitor_part (source, id)`.execute(db);
  // A bucket with all of its segments, exactly: what later records are merged with.
  await sql`
    CREATE TABLE ${CATALOG}.monitor_state (
      source text COLLATE "C" NOT NULL,
      grain text COLLATE "C" NOT NULL CHECK (grain IN ('hour', 'day', 'week')),
      begin_ms bigint NOT NULL,
      state bytea NOT NULL,
      -- of the state, and of what readers see of it
      bytes bigint NOT NULL,
      PRIMARY KEY (source, grain, begin_ms)
    )`.execute(db);
  for (const table of ['monitor_part', 'monitor_state'])
    await sql`ALTER TABLE ${CATALOG}.${sql.ref(table)} ALTER COLUMN state SET STORAGE EXTERNAL`.execute(db);
}
