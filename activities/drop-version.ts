import { discardVersion } from '../engine/backfill/discard-version.ts';
import { dropServed } from '../engine/online/switch-version.ts';
import type { ActivityDeps } from './activity-deps.ts';

/** Drops what a version takes up that nobody is to be served any more: a candidate, or one that was kept. Idempotent. */
export async function dropVersion(
  deps: ActivityDeps,
  input: { readonly view: string; readonly version: number },
): Promise<void> {
  if (await dropServed({ pool: deps.pool, ...input })) return;
  await discardVersion({ pool: deps.pool, ...input });
}
