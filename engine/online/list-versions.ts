import type pg from 'pg';
import type { ObservedFields } from '../define/observed-fields.ts';
import { isKept } from './flip-readers.ts';
import { countEntities } from '../postgres/count-entities.ts';
import { runSql } from '../postgres/run-sql.ts';
import { STATE } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';
import { type ServedTime, servedTimes } from '../postgres/served-times.ts';
import { streamOffsets } from '../postgres/stream-offsets.ts';
import { type ViewVersion, versions } from '../postgres/view-versions.ts';

/** What a version is to its readers: `candidate` is built and not served, `previous` was served and is kept. */
export type VersionRole = 'building' | 'candidate' | 'live' | 'previous' | 'superseded' | 'discarded' | 'retired';

/** A version of a view, and what it takes up. Times in epoch µs. */
export interface ListedVersion {
  readonly version: number;
  readonly role: VersionRole;
  readonly fingerprint: string;
  readonly semantics: number;
  readonly builder: string | null;
  /** The version of whose states it was made; null: it was built from the log. */
  readonly madeFrom: number | null;
  /** Which fields its features were observed to read; null where that was not noted. */
  readonly observedFields: ObservedFields | null;
  readonly createdAtUs: number;
  /** Oldest first: several of one that readers were flipped back to. */
  readonly served: readonly ServedTime[];
  readonly keptUntilUs: number | null;
  /** Stored now; null where nothing is any more. */
  readonly entities: number | null;
  /** Of its states and their index, on disk; null where nothing is any more. */
  readonly bytes: number | null;
  /** Records to the end of its topic, as its stream last saw it; null where it has none, or is gone. */
  readonly lag: number | null;
}

/**
 * The versions of a view, newest first, with what they take up.
 *
 * @example
 * const [newest] = await listVersions(pool, 'route_delays'); // { version: 2, role: 'candidate', … }
 */
export async function listVersions(pool: pg.Pool, view: string): Promise<ListedVersion[]> {
  const all = await versions(pool, view);
  return await Promise.all(all.map((version) => listed(pool, version)));
}

async function listed(pool: pg.Pool, version: ViewVersion): Promise<ListedVersion> {
  const isGone = version.status === 'discarded' || version.status === 'retired';
  const offsets = isGone ? [] : await streamOffsets(pool, version.view, version.version);
  const counted = isGone ? null : await countEntities(pool, version.stateTable);
  return {
    version: version.version,
    role: roleOf(version),
    fingerprint: version.fingerprint,
    semantics: version.semantics,
    builder: version.builder,
    madeFrom: version.madeFrom,
    observedFields: version.observedFields,
    createdAtUs: version.createdAtUs,
    served: servedTimes(version),
    keptUntilUs: version.keptUntilUs,
    entities: counted?.entities ?? null,
    bytes: counted === null ? null : await sizeOf(pool, version.stateTable),
    lag: offsets.length === 0 ? null : offsets.reduce((sum, at) => sum + at.endOffset - at.nextOffset, 0),
  };
}

function roleOf(version: ViewVersion): VersionRole {
  const { status } = version;
  if (status === 'built') return 'candidate';
  return isKept(version) ? 'previous' : status;
}

/** Null where the table went meanwhile. */
async function sizeOf(pool: pg.Pool, table: string): Promise<number | null> {
  const { rows } = await runSql<{ bytes: number | null }>(
    pool,
    sqlText`
    SELECT pg_total_relation_size(c.oid) AS bytes FROM pg_class c
    WHERE c.relname = ${table} AND c.relnamespace = to_regnamespace('${STATE}')`,
  );
  return rows[0]?.bytes ?? null;
}
