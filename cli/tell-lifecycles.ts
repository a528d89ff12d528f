import type { Client } from '@temporalio/client';
import type { AppliedView } from '../engine/bundles/apply-definitions.ts';
import type { Applied } from '../workflows/feature-lifecycle/contract.ts';
import { tellApplied } from './lifecycle-client.ts';

/**
 * Tells the lifecycles of views that were moved, or are to be another than what is served; those that were told before are told again, which changes nothing. Gives
 * the views whose lifecycle runs.
 */
export async function tellLifecycles(
  client: Client,
  views: readonly AppliedView[],
  approval?: Applied['approval'],
): Promise<Set<string>> {
  const told = new Set<string>();
  for (const { view, fingerprint, before, live, applyNumber } of views) {
    // One that was moved back to what is served has a candidate that is not wanted any more.
    if (applyNumber === null || (fingerprint === live && fingerprint === before)) continue;
    const applied = { applyNumber, fingerprint, ...(approval === undefined ? {} : { approval }) };
    if (await tellApplied(client, view, applied)) told.add(view);
  }
  return told;
}
