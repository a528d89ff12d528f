import { type Kysely, sql } from 'kysely';
import { CATALOG } from './names.ts';

/** Alerts, what is usual of each series that is watched, and what people say of alerts. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE ${CATALOG}.monitor_progress (
      grain text COLLATE "C" PRIMARY KEY CHECK (grain IN ('hour', 'day')),
      -- begin of the first bucket that is not evaluated yet: each evaluation moves it by one, and by one only
      next_ms bigint NOT NULL,
      -- buckets that begin before it are learnt from, and raise nothing
      watch_from_ms bigint NOT NULL,
      updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )`.execute(db);
  await sql`
    CREATE TABLE ${CATALOG}.monitor_series (
      grain text COLLATE "C" NOT NULL CHECK (grain IN ('hour', 'day')),
      -- JSON of place, object, field and segment
      series text COLLATE "C" NOT NULL,
      memory jsonb NOT NULL,
      PRIMARY KEY (grain, series)
    ) WITH (fillfactor = 70)`.execute(db);
  await sql`
    CREATE TABLE ${CATALOG}.monitor_slot (
      grain text COLLATE "C" NOT NULL CHECK (grain IN ('hour', 'day')),
      -- hour of the week, or weekday: both from Thursday, UTC, as the epoch
      slot smallint NOT NULL,
      series text COLLATE "C" NOT NULL,
      -- figures of that hour of the last weeks, newest first
      figures jsonb NOT NULL,
      PRIMARY KEY (grain, slot, series)
    ) WITH (fillfactor = 70)`.execute(db);
  await sql`
    CREATE TABLE ${CATALOG}.alert (
      id text COLLATE "C" PRIMARY KEY,
      state text COLLATE "C" NOT NULL CHECK (state IN ('open', 'closed')),
      grain text COLLATE "C" NOT NULL CHECK (grain IN ('hour', 'day')),
      kind text COLLATE "C" NOT NULL,
      place text COLLATE "C" NOT NULL,
      -- of the root
      object text COLLATE "C" NOT NULL,
      -- the last bucket that it was evaluated with: only a later one changes the row
      bucket_ms bigint NOT NULL,
      since_ms bigint NOT NULL,
      opened_at_ms bigint NOT NULL,
      closed_at_ms bigint,
      revision int NOT NULL,
      body jsonb NOT NULL,
      updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
    ) WITH (fillfactor = 70)`.execute(db);
  await sql`CREATE INDEX alert_by_state ON ${CATALOG}.alert (state, opened_at_ms DESC)`.execute(db);
  await sql`
    CREATE TABLE ${CATALOG}.alert_acknowledgement (
      alert text COLLATE "C" PRIMARY KEY REFERENCES ${CATALOG}.alert,
      who text NOT NULL,
      reason text NOT NULL,
      at timestamptz NOT NULL DEFAULT clock_timestamp()
    )`.execute(db);
  await sql`
    CREATE TABLE ${CATALOG}.alert_silence (
      id text COLLATE "C" PRIMARY KEY,
      -- what is silenced: each part that is null is any
      object text COLLATE "C",
      field text COLLATE "C",
      segment_name text COLLATE "C",
      segment_value text COLLATE "C",
      kind text COLLATE "C",
      until_at timestamptz NOT NULL,
      who text NOT NULL,
      reason text NOT NULL,
      at timestamptz NOT NULL DEFAULT clock_timestamp()
    )`.execute(db);
}
