import type { Failure } from '../failure.ts';
import { grouped } from '../page-text.ts';
import type { DiffSummary } from './version-diff.ts';

/** Entities that are compared; of more, so many of them. */
export const MOST_COMPARED = 200_000;

const FEATURES_TOLD = 5;

/** Why a version is not approved by itself, for people; null: it is. */
export function verdictOf(
  { before, cells, differing, features, onlyBefore, incomparable }: DiffSummary,
  mostShare: number,
): string | null {
  // No cell was compared, and that is no equality.
  if (incomparable !== undefined)
    return `Not approved by itself: it cannot be compared with version ${before}: ${incomparable}.`;
  const share = cells === 0 ? 0 : differing / cells;
  // Whoever reads a feature that goes is not among the cells.
  const gone =
    onlyBefore.length === 0
      ? null
      : `It has no ${onlyBefore.slice(0, FEATURES_TOLD).join(', ')}, which version ${before} has.`;
  if (share <= mostShare) return gone === null ? null : `Not approved by itself: ${gone}`;
  const worst = features
    .filter((feature) => feature.differing > 0)
    .toSorted((a, b) => b.differing / b.cells - a.differing / a.cells)
    .slice(0, FEATURES_TOLD)
    .map((feature) => `${feature.feature} in ${percent(feature.differing / feature.cells)}`);
  return `Not approved by itself: ${grouped(differing)} of ${grouped(cells)} cells (${percent(share)}) differ from version ${before}, ${worst.join(', ')}; ${percent(mostShare)} are allowed.${gone === null ? '' : ` ${gone}`}`;
}

/** Why it could not be told. */
export function notJudged({ code, message }: Failure): string {
  return `Not approved by itself (${code}): ${message}`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(share < 0.001 && share > 0 ? 4 : 2)} %`;
}
