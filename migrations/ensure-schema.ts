import { type Kysely, type RawBuilder, sql } from 'kysely';

/**
 * Makes a schema that is not there. `IF NOT EXISTS` alone asks for the right to make schemas also where there is nothing to make.
 *
 * @param schema one of `names.ts`
 */
export async function ensureSchema(db: Kysely<unknown>, schema: RawBuilder<unknown>): Promise<void> {
  const { rows } = await sql`SELECT FROM pg_namespace WHERE nspname = '${schema}'`.execute(db);
  if (rows.length === 0) await sql`CREATE SCHEMA IF NOT EXISTS ${schema}`.execute(db);
}
