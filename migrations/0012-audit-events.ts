import { type Kysely, sql } from 'kysely';
import { OPEN_NAMES } from '../engine/installation/open-names.ts';
import { CATALOG } from './names.ts';

/** Of the newest so many events are kept. */
const KEPT_EVENTS = 100_000;

/**
 * Who did what. Rows are added and never changed: nobody but the owner may, and what is too old goes by a trigger that runs with the owner's rights.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE ${CATALOG}.audit_event (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      -- of what may be said twice (an activity that is tried again): the workflow's run and a number in it
      said text COLLATE "C" UNIQUE,
      at timestamptz NOT NULL DEFAULT clock_timestamp(),
      actor text NOT NULL,
      -- 'promote', 'token create'
      action text NOT NULL,
      -- what it was done to: a view, a source, a token
      subject text COLLATE "C",
      input jsonb NOT NULL,
      result jsonb NOT NULL
    )`.execute(db);
  await sql`CREATE INDEX audit_event_subject ON ${CATALOG}.audit_event (subject, id)`.execute(db);
  await sql
    .raw(`
    CREATE FUNCTION ${OPEN_NAMES.catalog}.audit_event_inserted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
    BEGIN
      DELETE FROM ${OPEN_NAMES.catalog}.audit_event
      WHERE id <= (SELECT max(id) FROM ${OPEN_NAMES.catalog}.audit_event) - ${KEPT_EVENTS};
      RETURN NULL;
    END $$`)
    .execute(db);
  await sql
    .raw(`
    CREATE TRIGGER audit_event_inserted AFTER INSERT ON ${OPEN_NAMES.catalog}.audit_event
    FOR EACH STATEMENT EXECUTE FUNCTION ${OPEN_NAMES.catalog}.audit_event_inserted()`)
    .execute(db);
}
