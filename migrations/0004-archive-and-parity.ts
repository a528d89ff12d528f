import { type Kysely, sql } from 'kysely';
import { CATALOG, STATE } from './names.ts';

/**
 * The archive's manifest, what the commit records lacked to be a history (whose code, until when a version was read), checksums of stored
 * states, and the results of parity audits.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE ${CATALOG}.view_version ADD COLUMN ended_at timestamptz`.execute(db);
  await sql`
    COMMENT ON COLUMN ${CATALOG}.view_version.ended_at IS 'when readers stopped getting this version'`.execute(db);
  await sql`
    UPDATE ${CATALOG}.view_version v
    SET ended_at = coalesce(
      (SELECT min(next.published_at) FROM ${CATALOG}.view_version next
        WHERE next.view = v.view AND next.published_at > v.published_at), now())
    WHERE v.published_at IS NOT NULL AND v.status <> 'live'`.execute(db);
  // The fingerprint of the code that made the commit; null where it was made before this migration.
  await sql`ALTER TABLE ${CATALOG}.commit_record ADD COLUMN fingerprint text`.execute(db);
  await sql`
    CREATE TABLE ${CATALOG}.commit_file (
      view text COLLATE "C" NOT NULL,
      version int NOT NULL,
      from_seq bigint NOT NULL,
      -- exclusive
      until_seq bigint NOT NULL,
      -- relative to the archive's folder
      path text NOT NULL UNIQUE,
      rows bigint NOT NULL,
      size_bytes bigint NOT NULL,
      sha256 bytea NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (view, version, from_seq)
    )`.execute(db);
  await sql`
    CREATE TABLE ${CATALOG}.archive_source (
      source text COLLATE "C" PRIMARY KEY,
      -- begins the names of this archive's files, so that two databases that share a folder never touch each other's
      mark text NOT NULL DEFAULT substr(md5(gen_random_uuid()::text), 1, 8),
      -- no archiver of a lower generation may claim
      generation bigint NOT NULL DEFAULT 0
    )`.execute(db);
  await sql`
    CREATE TABLE ${CATALOG}.archive_offset (
      source text COLLATE "C" NOT NULL,
      topic text COLLATE "C" NOT NULL,
      partition int NOT NULL,
      cluster_id text NOT NULL,
      -- first offset that was archived, or would have been: archiving began here
      first_offset bigint NOT NULL,
      next_offset bigint NOT NULL,
      end_offset bigint NOT NULL,
      -- the fencing token: (generation, attempt_ms), compared as a pair
      generation bigint NOT NULL DEFAULT 0,
      attempt_ms bigint NOT NULL DEFAULT 0,
      owner text,
      -- the last archived record and a digest of it: tells a topic that was deleted and made again from the one that is archived
      anchor_offset bigint,
      anchor_digest bytea,
      updated_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (source, topic, partition)
    )`.execute(db);
  await sql`
    CREATE TABLE ${CATALOG}.archive_file (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      source text COLLATE "C" NOT NULL,
      topic text COLLATE "C" NOT NULL,
      cluster_id text NOT NULL,
      -- relative to the archive's folder
      path text NOT NULL UNIQUE,
      rows bigint NOT NULL,
      size_bytes bigint NOT NULL,
      sha256 bytea NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now()
    )`.execute(db);
  await sql`
    CREATE TABLE ${CATALOG}.archive_range (
      source text COLLATE "C" NOT NULL,
      topic text COLLATE "C" NOT NULL,
      partition int NOT NULL,
      from_offset bigint NOT NULL,
      -- exclusive; offsets in between that hold no record (control records) are covered
      until_offset bigint NOT NULL CHECK (until_offset > from_offset),
      rows bigint NOT NULL,
      file_id bigint NOT NULL REFERENCES ${CATALOG}.archive_file ON DELETE CASCADE,
      PRIMARY KEY (source, topic, partition, from_offset)
    )`.execute(db);
  await sql`CREATE INDEX archive_range_file ON ${CATALOG}.archive_range (file_id)`.execute(db);
  await sql`
    CREATE TABLE ${CATALOG}.archive_hole (
      source text COLLATE "C" NOT NULL,
      topic text COLLATE "C" NOT NULL,
      partition int NOT NULL,
      from_offset bigint NOT NULL,
      until_offset bigint NOT NULL CHECK (until_offset > from_offset),
      reason text NOT NULL,
      noticed_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (source, topic, partition, from_offset)
    )`.execute(db);
  await sql`
    CREATE TABLE ${CATALOG}.parity_audit (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      view text COLLATE "C" NOT NULL,
      version int NOT NULL,
      fingerprint text NOT NULL,
      kind text NOT NULL CHECK (kind IN ('audit', 'promotion')),
      verdict text NOT NULL CHECK (verdict IN ('equal', 'broken', 'nothing-compared')),
      -- the commit the newest comparison was made at
      seq bigint NOT NULL,
      entities bigint NOT NULL,
      reads bigint NOT NULL,
      cells_compared bigint NOT NULL,
      cells_differing bigint NOT NULL,
      -- {"reason": reads}
      skipped jsonb NOT NULL,
      -- {"cause": differences}
      causes jsonb NOT NULL,
      started_at timestamptz NOT NULL,
      finished_at timestamptz NOT NULL
    )`.execute(db);
  await sql`CREATE INDEX parity_audit_view ON ${CATALOG}.parity_audit (view, id)`.execute(db);
  await sql`
    CREATE TABLE ${CATALOG}.parity_difference (
      audit_id bigint NOT NULL REFERENCES ${CATALOG}.parity_audit ON DELETE CASCADE,
      number int NOT NULL,
      entity jsonb NOT NULL,
      seq bigint,
      as_of timestamptz,
      request_id text,
      cause text NOT NULL,
      detail text NOT NULL,
      -- [{"feature", "expected", "received"}]
      cells jsonb NOT NULL,
      -- [{"partition", "offset", "eventTime"}]: the smallest set that explains it
      records jsonb NOT NULL,
      PRIMARY KEY (audit_id, number)
    )`.execute(db);
  // State tables have one shape per version; those that exist get the column, null: not known.
  const { rows } = await sql<{ name: string }>`
    SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = '${STATE}' AND c.relkind = 'r'`.execute(db);
  for (const { name } of rows) await sql`ALTER TABLE ${STATE}.${sql.ref(name)} ADD COLUMN state_crc int`.execute(db);
}
