import { type Kysely, sql } from 'kysely';
import { CATALOG } from './names.ts';

/** Models: each version's row is the truth, its bytes lie on a topic and in the archive's folder; which version an alias stands for. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE ${CATALOG}.model_version (
      model text COLLATE "C" NOT NULL,
      version int NOT NULL CHECK (version > 0),
      sha256 text COLLATE "C" NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
      size_bytes bigint NOT NULL CHECK (size_bytes > 0),
      -- where its chunks are: those of this publish, among what lies in [from_offset, until_offset) of partition 0
      publish_id uuid NOT NULL,
      chunks int NOT NULL CHECK (chunks > 0),
      cluster_id text NOT NULL,
      topic text COLLATE "C" NOT NULL,
      from_offset bigint NOT NULL,
      until_offset bigint NOT NULL CHECK (until_offset > from_offset),
      state text COLLATE "C" NOT NULL DEFAULT 'published' CHECK (state IN ('published', 'rolled-back')),
      service text COLLATE "C" NOT NULL,
      -- view to feature to tag: what it was trained on
      features jsonb NOT NULL,
      -- stands for what the service derived; null: it was trained on nothing of it
      derived text COLLATE "C",
      signature jsonb NOT NULL,
      lineage jsonb NOT NULL,
      metrics jsonb,
      actor text NOT NULL,
      published_at timestamptz NOT NULL DEFAULT clock_timestamp(),
      PRIMARY KEY (model, version)
    )`.execute(db);
  await sql`
    CREATE TABLE ${CATALOG}.model_alias (
      model text COLLATE "C" NOT NULL,
      alias text COLLATE "C" NOT NULL CHECK (alias IN ('champion', 'challenger')),
      version int NOT NULL,
      -- what it stood for before; null: nothing that it could go back to
      previous int,
      actor text NOT NULL,
      moved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
      PRIMARY KEY (model, alias),
      FOREIGN KEY (model, version) REFERENCES ${CATALOG}.model_version,
      FOREIGN KEY (model, previous) REFERENCES ${CATALOG}.model_version (model, version)
    )`.execute(db);
}
