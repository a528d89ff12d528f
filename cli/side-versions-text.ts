import type { LifecycleStatus } from '../workflows/feature-lifecycle/contract.ts';
import { count, isoMicros } from './output.ts';

type SideVersions = Pick<LifecycleStatus, 'candidate' | 'previous'> & { readonly view: string };

/** A line for the version that waits to be approved, why it was not approved by itself, and one for the version that is kept. */
export function sideVersionLines({ view, candidate, previous }: SideVersions): string[] {
  const lines: string[] = [];
  if (candidate?.waitsSinceMs != null) {
    const behind = candidate.isCaughtUp
      ? 'caught up'
      : `${candidate.lag === null ? '' : `${count(candidate.lag)} behind, `}catching up`;
    const how = candidate.madeFrom === undefined ? 'built' : `made of version ${candidate.madeFrom}'s states`;
    lines.push(`version ${candidate.version} is ${how} (${behind}) and waits: millrace approve ${view}`);
  }
  if (candidate?.judged != null) lines.push(candidate.judged);
  if (previous != null)
    lines.push(`version ${previous.version} is kept until ${isoMicros(previous.keptUntilMs * 1000).slice(0, 19)}Z`);
  return lines;
}
