import { type Kysely, sql } from 'kysely';
import { OPEN_NAMES } from '../engine/installation/open-names.ts';
import { CATALOG, STATE } from './names.ts';

/** What the entry in a commit record takes more, as `kept_size` counts it. */
const ID_BYTES = 8;

/**
 * The ids of commits: numbers are given again once a failover or a restore has lost some. What is older has none, and is told by its number
 * alone. A version has one from its first day: it is that of its backfill, whose states need none of their own.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE ${CATALOG}.commit_record ADD COLUMN commit_id bigint`.execute(db);
  // Readers of the release before select every column, and take a bigint for a safe number.
  await sql`
    ALTER TABLE ${CATALOG}.view_version
    ADD COLUMN commit_id numeric(20) NOT NULL DEFAULT hashtextextended(gen_random_uuid()::text, 0)`.execute(db);
  const { rows } = await sql<{ name: string }>`
    SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN ${CATALOG}.view_version v ON v.state_table = c.relname
    WHERE n.oid = to_regnamespace('${STATE}') AND c.relkind = 'r'`.execute(db);
  for (const { name } of rows)
    await sql`ALTER TABLE ${STATE}.${sql.ref(name)} ADD COLUMN state_commit bigint`.execute(db);
  for (const [event, sign] of [
    ['inserted', ''],
    ['deleted', '-'],
  ] as const) {
    const bytes = `${140 + ID_BYTES} + 2 * (octet_length(view) + octet_length(topic)) + coalesce(octet_length(fingerprint), 0)`;
    await sql
      .raw(`
      CREATE OR REPLACE FUNCTION ${OPEN_NAMES.catalog}.commit_record_${event}() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO ${OPEN_NAMES.catalog}.kept_size AS k (kind, view, version, rows, bytes)
        SELECT 'commits', view, version, ${sign}count(*), ${sign}sum(${bytes})::bigint FROM changed GROUP BY view, version ORDER BY view, version
        ON CONFLICT (kind, view, version) DO UPDATE SET rows = k.rows + excluded.rows, bytes = k.bytes + excluded.bytes;
        RETURN NULL;
      END $$`)
      .execute(db);
  }
  await sql`UPDATE ${CATALOG}.kept_size SET bytes = bytes + ${ID_BYTES} * rows WHERE kind = 'commits'`.execute(db);
}
