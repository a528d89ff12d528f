import { type Kysely, sql } from 'kysely';
import { CATALOG } from './names.ts';

/** Rollouts: which units of a model get which of its versions. A row is the present state, and each state it had is a revision. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE ${CATALOG}.rollout (
      id text COLLATE "C" PRIMARY KEY,
      model text COLLATE "C" NOT NULL,
      revision int NOT NULL CHECK (revision > 0),
      -- with a unit's key it says where the unit stands, for the rollout's life
      salt text COLLATE "C" NOT NULL,
      mode text COLLATE "C" NOT NULL CHECK (mode IN ('stages', 'bandit')),
      phase text COLLATE "C" NOT NULL DEFAULT 'open' CHECK (phase IN ('open', 'promoted', 'returned', 'stopped')),
      stage int NOT NULL CHECK (stage >= 0),
      shadow boolean NOT NULL,
      -- [{variant, version, share}], in the order of their intervals
      variants jsonb NOT NULL,
      -- what it was started with
      asked jsonb NOT NULL,
      -- while somebody watches it; once it has lapsed everybody decides by the variant against
      lease_until timestamptz NOT NULL,
      started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
      moved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
      ended_at timestamptz,
      CHECK ((phase = 'open') = (ended_at IS NULL))
    )`.execute(db);
  await sql`CREATE UNIQUE INDEX rollout_open ON ${CATALOG}.rollout (model) WHERE phase = 'open'`.execute(db);
  await sql`CREATE INDEX rollout_of_model ON ${CATALOG}.rollout (model, started_at)`.execute(db);
  await sql`
    CREATE TABLE ${CATALOG}.rollout_revision (
      rollout text COLLATE "C" NOT NULL REFERENCES ${CATALOG}.rollout,
      revision int NOT NULL,
      phase text COLLATE "C" NOT NULL,
      stage int NOT NULL,
      shadow boolean NOT NULL,
      variants jsonb NOT NULL,
      actor text NOT NULL,
      why text NOT NULL,
      at timestamptz NOT NULL DEFAULT clock_timestamp(),
      PRIMARY KEY (rollout, revision)
    )`.execute(db);
}
