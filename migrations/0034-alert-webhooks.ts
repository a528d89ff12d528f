import { type Kysely, sql } from 'kysely';
import { CATALOG } from './names.ts';

/** Changes of alerts that wait to be told to webhooks, and how each webhook stands. Their addresses are secrets: they are in no row. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE ${CATALOG}.alert_notice (
      seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      webhook text COLLATE "C" NOT NULL,
      -- as the topic of alerts has it
      event jsonb NOT NULL,
      -- by the wall
      written_at_ms bigint NOT NULL
    )`.execute(db);
  await sql`CREATE INDEX alert_notice_webhook ON ${CATALOG}.alert_notice (webhook, seq)`.execute(db);
  await sql`
    CREATE TABLE ${CATALOG}.alert_webhook (
      webhook text COLLATE "C" PRIMARY KEY,
      -- nobody sends before: somebody does, or the last one failed
      next_at_ms bigint NOT NULL DEFAULT 0,
      -- in a row
      failures int NOT NULL DEFAULT 0,
      last_error text,
      sent bigint NOT NULL DEFAULT 0,
      given_up bigint NOT NULL DEFAULT 0
    ) WITH (fillfactor = 70)`.execute(db);
}
