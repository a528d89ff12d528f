import type pg from 'pg';
import { versions } from '../postgres/view-versions.ts';
import { discardVersion } from './discard-version.ts';

/**
 * Discards every version of a view that was being built or built but not published, except `keepVersion`: what a killed or given-up
 * backfill left. Versions that are or were served are never touched. Gives the numbers of the discarded ones.
 *
 * @example
 * await sweepAbandonedVersions({ pool, view: 'route_delays' });
 */
export async function sweepAbandonedVersions(options: {
  readonly pool: pg.Pool;
  readonly view: string;
  readonly keepVersion?: number | undefined;
}): Promise<number[]> {
  const { pool, view, keepVersion } = options;
  const swept: number[] = [];
  for (const { version, status } of await versions(pool, view)) {
    if (version === keepVersion || (status !== 'building' && status !== 'built')) continue;
    await discardVersion({ pool, view, version });
    swept.push(version);
  }
  return swept;
}
