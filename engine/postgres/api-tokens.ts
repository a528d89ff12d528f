import { sql } from 'kysely';
import { formatDateTime } from '../values/iso-time.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import { catalog, run } from './catalog.ts';
import { sqlState } from './postgres-error.ts';
import type { Queryable } from './queryable.ts';

const TOKENS = 'api_token';
const UNIQUE_VIOLATION = '23505';

/** A token as the catalog keeps it: never the token itself. Times are UTC epoch µs. */
export interface StoredToken {
  /** The first 12 hex digits of the hash. */
  readonly id: string;
  readonly name: string;
  /** SHA-256 of the token. */
  readonly hash: Buffer;
  /** As `serving/access/scope.ts` reads them. */
  readonly scopes: readonly string[];
  /** Look-ups it may ask for each second, and bytes of bodies it may send; null: what the process is set to. */
  readonly entitiesPerS: number | null;
  readonly bytesPerS: number | null;
  readonly createdBy: string;
  readonly createdAtUs: number;
  /** Exclusive; null: never. */
  readonly expiresAtUs: number | null;
  readonly revokedAtUs: number | null;
  /** To the minute; null: not yet. */
  readonly lastUsedAtUs: number | null;
}

/** Writes a new token. Throws MillraceError `duplicate-token` where one of that name is in use. */
export async function insertToken(
  on: Queryable,
  token: Omit<StoredToken, 'revokedAtUs' | 'lastUsedAtUs'>,
): Promise<void> {
  try {
    await run(
      on,
      catalog.insertInto(TOKENS).values({
        id: token.id,
        name: token.name,
        hash: token.hash,
        scopes: JSON.stringify(token.scopes),
        entities_per_s: token.entitiesPerS,
        bytes_per_s: token.bytesPerS,
        created_by: token.createdBy,
        created_at: formatDateTime(token.createdAtUs),
        expires_at: token.expiresAtUs === null ? null : formatDateTime(token.expiresAtUs),
      }),
    );
  } catch (error) {
    if (sqlState(error) !== UNIQUE_VIOLATION) throw error;
    throw new MillraceError('duplicate-token', `there is a token "${token.name}" already`, {
      remedy: `Give another name, or revoke it first: millrace token revoke ${token.name}`,
      httpStatus: 409,
      cause: error,
    });
  }
}

/** All tokens, the newest first; those alone that are neither revoked nor expired at a time, if it is given. */
export async function tokens(on: Queryable, usableAtUs?: number): Promise<StoredToken[]> {
  let query = catalog.selectFrom(TOKENS).selectAll().orderBy('created_at', 'desc').orderBy('id');
  if (usableAtUs !== undefined) {
    const at = formatDateTime(usableAtUs);
    query = query
      .where('revoked_at', 'is', null)
      .where((eb) => eb.or([eb('expires_at', 'is', null), eb('expires_at', '>', sql<number>`${at}::timestamptz`)]));
  }
  const rows = await run(on, query);
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    hash: row.hash,
    scopes: row.scopes,
    entitiesPerS: row.entities_per_s,
    bytesPerS: row.bytes_per_s,
    createdBy: row.created_by,
    createdAtUs: row.created_at,
    expiresAtUs: row.expires_at,
    revokedAtUs: row.revoked_at,
    lastUsedAtUs: row.last_used_at,
  }));
}

/** Revokes the tokens in use that have a name or an id, and gives their ids. */
export async function revokeToken(on: Queryable, nameOrId: string, atUs: number): Promise<string[]> {
  const rows = await run(
    on,
    catalog
      .updateTable(TOKENS)
      .set({ revoked_at: formatDateTime(atUs) })
      .where('revoked_at', 'is', null)
      .where((eb) => eb.or([eb('name', '=', nameOrId), eb('id', '=', nameOrId)]))
      .returning('id'),
  );
  return rows.map((row) => row.id);
}

/** Notes that tokens were used. The only thing that a server's role may write. */
export async function noteTokensUsed(on: Queryable, ids: readonly string[], atUs: number): Promise<void> {
  if (ids.length === 0) return;
  await run(
    on,
    catalog
      .updateTable(TOKENS)
      .set({ last_used_at: formatDateTime(atUs) })
      .where('id', 'in', [...ids]),
  );
}
