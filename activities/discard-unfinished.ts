import { sweepAbandonedVersions } from '../engine/backfill/sweep-abandoned-versions.ts';
import type { ActivityDeps } from './activity-deps.ts';

/** Removes what a backfill left that was given up or failed. Served versions are never touched. */
export async function discardUnfinished(deps: ActivityDeps, input: { readonly view: string }): Promise<void> {
  await sweepAbandonedVersions({ pool: deps.pool, view: input.view });
}
