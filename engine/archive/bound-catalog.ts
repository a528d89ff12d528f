import type pg from 'pg';
import { forgetViewHours } from '../monitors/view-hours.ts';
import type { VersionStatus } from '../postgres/catalog.ts';
import { dropDeadLetters } from '../postgres/drop-dead-letters.ts';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';
import type { Clock } from '../values/clock.ts';
import { mergeCommits } from './merge-commits.ts';
import { oneAtATime } from './one-at-a-time.ts';

/** How much of what grows with the log stays in the database, per view. */
export interface CatalogBounds {
  /** Commit records of all its versions, where no archive keeps them. */
  readonly commitBytes: number;
  readonly deadLetterBytes: number;
  readonly deadLetterDays: number;
}

export interface BoundCatalogOptions {
  readonly pool: pg.Pool;
  readonly clock: Clock;
  readonly bounds: CatalogBounds;
  readonly signal?: AbortSignal | undefined;
}

/** Rows that went. */
export interface Bounded {
  readonly view: string;
  readonly mergedCommits: number;
  readonly droppedLetters: number;
}

const DAY_US = 86_400_000_000;
/** An archive that has added no file for so long keeps no commits, either. */
const ARCHIVE_ALIVE_FOR = '1 day';

interface VersionSize {
  readonly view: string;
  readonly version: number;
  readonly status: VersionStatus;
  readonly commit_bytes: number;
  readonly letter_bytes: number;
  /** When the view's oldest came, UTC epoch µs; null where this version has none. */
  readonly oldest_letter: number | null;
  readonly is_archived: boolean;
}

/**
 * Holds what grows with the log to its bounds: what views kept of each hour (ten weeks of it), commits of sources without an archive (`mergeCommits`; an archive rolls them, `rollCommits`), and dead letters.
 * What is live keeps its commits longest, then the newest version. One at a time; safe to be broken off. Returns the views of which something went.
 *
 * @example
 * await boundCatalog({ pool, clock: systemClock, bounds: { commitBytes: 2 ** 28, deadLetterBytes: 2 ** 28, deadLetterDays: 30 } });
 */
export async function boundCatalog(options: BoundCatalogOptions): Promise<Bounded[]> {
  return (await oneAtATime(options.pool, 'bound-catalog', () => boundAll(options))) ?? [];
}

async function boundAll({ pool, clock, bounds, signal }: BoundCatalogOptions): Promise<Bounded[]> {
  await forgetViewHours(pool);
  const beforeUs = clock.nowUs() - bounds.deadLetterDays * DAY_US;
  const byView = Map.groupBy(await versionSizes(pool), ({ view }) => view);
  const bounded: Bounded[] = [];
  for (const [view, versions] of byView) {
    let left = bounds.commitBytes;
    let mergedCommits = 0;
    for (const { version, commit_bytes, is_archived } of versions) {
      if (is_archived) continue;
      if (commit_bytes > left) mergedCommits += await mergeCommits({ pool, view, version, keepBytes: left, signal });
      left -= Math.min(commit_bytes, left);
    }
    const letters = versions.filter(({ status }) => status !== 'building');
    const isDue =
      letters.reduce((sum, { letter_bytes }) => sum + letter_bytes, 0) > bounds.deadLetterBytes ||
      letters.some(({ oldest_letter }) => oldest_letter !== null && oldest_letter < beforeUs);
    const droppedLetters = isDue
      ? await dropDeadLetters({ pool, view, keepBytes: bounds.deadLetterBytes, beforeUs, signal })
      : 0;
    if (mergedCommits + droppedLetters > 0) bounded.push({ view, mergedCommits, droppedLetters });
  }
  return bounded;
}

/** Of each version that has something, the live one first, then from the newest. */
async function versionSizes(pool: pg.Pool): Promise<VersionSize[]> {
  const { rows } = await runSql<VersionSize>(
    pool,
    sqlText`
    SELECT v.view, v.version, v.status, coalesce(c.bytes, 0) AS commit_bytes, coalesce(l.bytes, 0) AS letter_bytes,
      CASE WHEN l.rows > 0 THEN (
        SELECT min(created_at) FROM ${CATALOG}.dead_letter d WHERE d.view = v.view) END AS oldest_letter,
      EXISTS (
        SELECT FROM ${CATALOG}.archive_offset a
        WHERE a.source = v.source AND a.topic = v.topic AND a.updated_at > now() - ${ARCHIVE_ALIVE_FOR}::interval) AS is_archived
    FROM ${CATALOG}.view_version v
    LEFT JOIN ${CATALOG}.kept_size c ON c.kind = 'commits' AND c.view = v.view AND c.version = v.version
    LEFT JOIN ${CATALOG}.kept_size l ON l.kind = 'dead-letters' AND l.view = v.view AND l.version = v.version
    WHERE c.rows > 0 OR l.rows > 0
    ORDER BY v.view, v.status = 'live' DESC, v.version DESC`,
  );
  return rows;
}
