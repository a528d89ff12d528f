import { type Kysely, sql } from 'kysely';
import { OPEN_NAMES } from '../engine/installation/open-names.ts';
import { CATALOG } from './names.ts';

/** The tables that grow with the log, by the kind under which their size is kept. */
const KINDS = [
  {
    kind: 'commits',
    table: 'commit_record',
    // A tuple and its entry in the primary key, as Postgres lays them out.
    bytes: '140 + 2 * (octet_length(view) + octet_length(topic)) + coalesce(octet_length(fingerprint), 0)',
  },
  {
    kind: 'dead-letters',
    table: 'dead_letter',
    bytes: `${OPEN_NAMES.catalog}.letter_bytes(view, topic, payload, reasons)`,
  },
] as const;

/**
 * How much is kept of what grows with the log, counted by triggers, so that workers of every release count; what was dropped of it; and which commits were
 * merged into one.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE ${CATALOG}.kept_size (
      kind text COLLATE "C" NOT NULL,
      view text COLLATE "C" NOT NULL,
      version int NOT NULL,
      rows bigint NOT NULL DEFAULT 0,
      bytes bigint NOT NULL DEFAULT 0,
      -- by a bound, since the first time that anything was
      dropped_rows bigint NOT NULL DEFAULT 0,
      dropped_bytes bigint NOT NULL DEFAULT 0,
      first_dropped_at timestamptz,
      PRIMARY KEY (kind, view, version)
    ) WITH (fillfactor = 50)`.execute(db);
  await sql`
    CREATE TABLE ${CATALOG}.commit_merge (
      view text COLLATE "C" NOT NULL,
      version int NOT NULL,
      from_seq bigint NOT NULL,
      -- inclusive: the commit whose rows stand for all of them
      last_seq bigint NOT NULL,
      -- when the first of them became visible
      began_at timestamptz NOT NULL,
      PRIMARY KEY (view, version, from_seq)
    )`.execute(db);
  await sql`CREATE INDEX dead_letter_by_age ON ${CATALOG}.dead_letter (view, created_at)`.execute(db);
  // Of the payload as it was sent: what is dropped is counted as it was when it came.
  await sql`
    CREATE FUNCTION ${CATALOG}.letter_bytes(view text, topic text, payload bytea, reasons jsonb) RETURNS bigint IMMUTABLE PARALLEL SAFE
    RETURN 200 + 2 * (octet_length(view) + octet_length(topic)) + coalesce(octet_length(payload), 0) + octet_length(reasons::text)`.execute(
    db,
  );
  for (const { kind, table, bytes } of KINDS) {
    const on = `${OPEN_NAMES.catalog}.${table}`;
    for (const [event, name, sign] of [
      ['INSERT', 'inserted', ''],
      ['DELETE', 'deleted', '-'],
    ] as const) {
      const trigger = `${table}_${name}`;
      await sql
        .raw(`
        CREATE FUNCTION ${OPEN_NAMES.catalog}.${trigger}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          INSERT INTO ${OPEN_NAMES.catalog}.kept_size AS k (kind, view, version, rows, bytes)
          SELECT '${kind}', view, version, ${sign}count(*), ${sign}sum(${bytes})::bigint FROM changed GROUP BY view, version ORDER BY view, version
          ON CONFLICT (kind, view, version) DO UPDATE SET rows = k.rows + excluded.rows, bytes = k.bytes + excluded.bytes;
          RETURN NULL;
        END $$`)
        .execute(db);
      const transition = event === 'INSERT' ? 'NEW' : 'OLD';
      await sql
        .raw(`
        CREATE TRIGGER ${trigger} AFTER ${event} ON ${on} REFERENCING ${transition} TABLE AS changed
        FOR EACH STATEMENT EXECUTE FUNCTION ${OPEN_NAMES.catalog}.${trigger}()`)
        .execute(db);
    }
    // Both stand before anything else is written: creating a trigger holds writers back until the migration is through.
    await sql
      .raw(`
      INSERT INTO ${OPEN_NAMES.catalog}.kept_size (kind, view, version, rows, bytes)
      SELECT '${kind}', view, version, count(*), sum(${bytes})::bigint FROM ${on} GROUP BY view, version`)
      .execute(db);
  }
}
