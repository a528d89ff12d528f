import { type Kysely, sql } from 'kysely';
import { CATALOG } from './names.ts';

/** What a rollout is judged by, as of the last look: exact sums, what was concluded, what was seen of it on the topic, and a guardrail that was breached. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE ${CATALOG}.rollout_evidence (
      rollout text COLLATE "C" NOT NULL REFERENCES ${CATALOG}.rollout,
      metric text COLLATE "C" NOT NULL,
      stage int NOT NULL CHECK (stage >= 0),
      variant text COLLATE "C" NOT NULL,
      -- empty: of all units
      segment text COLLATE "C" NOT NULL,
      moments bytea NOT NULL,
      PRIMARY KEY (rollout, metric, stage, variant, segment)
    )`.execute(db);
  await sql`
    CREATE TABLE ${CATALOG}.rollout_look (
      rollout text COLLATE "C" PRIMARY KEY REFERENCES ${CATALOG}.rollout,
      -- how it is judged
      rule jsonb NOT NULL,
      judgement jsonb NOT NULL,
      looked_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )`.execute(db);
  await sql`
    CREATE TABLE ${CATALOG}.rollout_seen (
      rollout text COLLATE "C" PRIMARY KEY REFERENCES ${CATALOG}.rollout,
      -- by the decisions' own time, microseconds since the epoch
      first_decided_us bigint NOT NULL,
      last_decided_us bigint NOT NULL,
      decisions bigint NOT NULL,
      seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )`.execute(db);
  await sql`
    CREATE TABLE ${CATALOG}.rollout_breach (
      rollout text COLLATE "C" PRIMARY KEY REFERENCES ${CATALOG}.rollout,
      -- which guardrail, where, since when, by which evidence
      breach jsonb NOT NULL,
      why text NOT NULL,
      breached_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )`.execute(db);
}
