import { type Kysely, sql } from 'kysely';

/**
 * The read-only role `millrace_reader`: it may use the schema `millrace`, whose views and functions run with their owner's rights, and nothing else.
 * Roles belong to the whole server: another database may create it at the same moment, and a user without CREATEROLE goes without it.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    DO $$
    BEGIN
      IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'millrace_reader') THEN
        CREATE ROLE millrace_reader NOLOGIN;
      END IF;
    EXCEPTION
      WHEN duplicate_object OR unique_violation THEN NULL;
      WHEN insufficient_privilege THEN
        RAISE WARNING 'role millrace_reader was not created: the user of DATABASE_URL lacks CREATEROLE';
    END $$`.execute(db);
  await sql`
    DO $$
    BEGIN
      IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'millrace_reader') THEN
        GRANT USAGE ON SCHEMA millrace TO millrace_reader;
      END IF;
    END $$`.execute(db);
}
