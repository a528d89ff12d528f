import { sweepAbandonedVersions } from '../engine/backfill/sweep-abandoned-versions.ts';
import { retireView as retire } from '../engine/online/publish-version.ts';
import { versions } from '../engine/postgres/view-versions.ts';
import type { ActivityDeps } from './activity-deps.ts';

/** Takes a view from its readers, and what was being built of it. Idempotent. */
export async function retireView(deps: ActivityDeps, input: { readonly view: string }): Promise<void> {
  await sweepAbandonedVersions({ pool: deps.pool, view: input.view });
  // One whose first backfill never ended has nothing that readers could have seen.
  if ((await versions(deps.pool, input.view)).length === 0) return;
  await retire({ pool: deps.pool, view: input.view });
}
