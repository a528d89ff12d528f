import { publishVersion } from '../engine/online/publish-version.ts';
import type { ActivityDeps } from './activity-deps.ts';

/** Flips readers to a built version, in one transaction. Idempotent. */
export async function publishView(
  deps: ActivityDeps,
  input: { readonly view: string; readonly version: number },
): Promise<void> {
  await publishVersion({ pool: deps.pool, ...input });
}
