import { sweepAbandonedVersions } from '../engine/backfill/sweep-abandoned-versions.ts';
import { retireView as retire } from '../engine/online/retire-view.ts';
import type { ActivityDeps } from './activity-deps.ts';

/** Takes a view from its readers, and what was being built of it. Idempotent. */
export async function retireView(deps: ActivityDeps, input: { readonly view: string }): Promise<void> {
  await sweepAbandonedVersions({ pool: deps.pool, view: input.view });
  await retire({ pool: deps.pool, view: input.view });
}
