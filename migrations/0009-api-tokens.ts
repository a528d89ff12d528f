import { type Kysely, sql } from 'kysely';
import { CATALOG } from './names.ts';

/** Who may ask the HTTP API for what. Of a token only its hash is kept. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE ${CATALOG}.api_token (
      -- the beginning of the hash, in hex: what logs and lists name it by
      id text COLLATE "C" PRIMARY KEY,
      name text NOT NULL,
      -- SHA-256 of the token; a token is 192 random bits, so that there is nothing to guess and no salt to add
      hash bytea NOT NULL UNIQUE,
      -- 'read:*', 'read:NAME' (a service or a view), 'log', 'alerts', 'admin'
      scopes jsonb NOT NULL,
      -- null: what the process is set to
      entities_per_s double precision,
      bytes_per_s double precision,
      created_by text NOT NULL,
      created_at timestamptz NOT NULL,
      expires_at timestamptz,
      revoked_at timestamptz,
      last_used_at timestamptz
    )`.execute(db);
  await sql`CREATE UNIQUE INDEX api_token_name ON ${CATALOG}.api_token (name) WHERE revoked_at IS NULL`.execute(db);
}
