import { type Kysely, sql } from 'kysely';
import { READER, SURFACE } from './names.ts';

/**
 * The read-only role `millrace_reader`: it may use the schema `millrace`, whose views and functions run with their owner's rights, and nothing else.
 * Roles belong to the whole server: another database may create it at the same moment, and a user without CREATEROLE goes without it.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    DO $$
    BEGIN
      IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${READER}') THEN
        CREATE ROLE ${READER} NOLOGIN;
      END IF;
    EXCEPTION
      WHEN duplicate_object OR unique_violation THEN NULL;
      WHEN insufficient_privilege THEN
        RAISE WARNING 'role ${READER} was not created: the user of DATABASE_URL lacks CREATEROLE';
    END $$`.execute(db);
  await sql`
    DO $$
    BEGIN
      IF EXISTS (SELECT FROM pg_roles WHERE rolname = '${READER}') THEN
        GRANT USAGE ON SCHEMA ${SURFACE} TO ${READER};
      END IF;
    END $$`.execute(db);
}
