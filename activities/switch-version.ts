import { switchVersion as flip } from '../engine/online/switch-version.ts';
import type { SwitchInput, SwitchSummary } from '../workflows/feature-lifecycle/contract.ts';
import type { ActivityDeps } from './activity-deps.ts';

/** Flips readers to a built version, or back to the one that is kept, in one transaction. Idempotent. */
export async function switchVersion(deps: ActivityDeps, input: SwitchInput): Promise<SwitchSummary> {
  return await flip({ pool: deps.pool, ...input });
}
