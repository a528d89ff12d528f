import { comparable } from '../../engine/alerts/comparable-counts.ts';
import { mergeBuckets } from '../../engine/alerts/merge-buckets.ts';
import { THRESHOLDS } from '../../engine/alerts/thresholds.ts';
import type { MonitorBucket } from '../../engine/monitors/monitor-bucket.ts';
import { jensenShannon, totalOf } from '../../engine/statistics/jensen-shannon.ts';
import { populationStability } from '../../engine/statistics/population-stability.ts';
import { coverageOf, meanOf } from './value-figures.ts';

/** With fewer values on either side a distance is mostly chance: it is shown, and nothing is ordered by it. */
const LEAST_VALUES = 200;

/** How values are, beside how they were. */
export interface Drift {
  readonly count: number;
  readonly coverage: number | null;
  readonly coverageBefore: number | null;
  readonly mean: number | null;
  readonly meanBefore: number | null;
  /** Jensen-Shannon, from 0 to 1; null where either side kept no distribution. */
  readonly distance: number | null;
  /** Shown, and nothing is decided by it. */
  readonly psi: number | null;
  /** What lost of coverage, or moved, in units of what would be worth an alert: the worst is the greatest. */
  readonly weight: number;
}

/** How the values of one subject are in some buckets, beside those of others: both as one. */
export function driftOf(now: readonly MonitorBucket[], before: readonly MonitorBucket[]): Drift {
  const [own, past] = [asOne(now), asOne(before)];
  const coverage = own === null ? null : coverageOf(own);
  const coverageBefore = past === null ? null : coverageOf(past);
  const pair = own === null || past === null ? null : comparable(own, [past]);
  const distance = pair === null ? null : jensenShannon(pair.now, pair.before);
  const isTold = pair !== null && Math.min(totalOf(pair.now), totalOf(pair.before)) >= LEAST_VALUES;
  const lost = (coverageBefore ?? coverage ?? 1) - (coverage ?? 1);
  return {
    count: own?.count ?? 0,
    coverage,
    coverageBefore,
    mean: own === null ? null : meanOf(own),
    meanBefore: past === null ? null : meanOf(past),
    distance,
    psi: pair === null ? null : populationStability(pair.now, pair.before),
    weight: Math.max(
      (own?.count ?? 0) < THRESHOLDS.leastRecords ? 0 : Math.abs(lost) / THRESHOLDS.points,
      isTold ? (distance ?? 0) / THRESHOLDS.distance : 0,
    ),
  };
}

/** Some buckets of one subject as one; null of none. */
export function asOne(buckets: readonly MonitorBucket[]): MonitorBucket | null {
  const [first] = buckets;
  return first === undefined ? null : ([...mergeBuckets(buckets, 'day', first.beginMs).values()][0] ?? null);
}

/** The worst first; of equals, what has less coverage. */
export function byWeight(a: Drift, b: Drift): number {
  return b.weight - a.weight || (a.coverage ?? 2) - (b.coverage ?? 2) || b.count - a.count;
}
