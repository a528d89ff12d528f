import type { Histogram } from '../markup/histogram-plot.ts';
import { SKETCH_BITS } from '../../engine/monitors/value-state.ts';
import { middleOf } from '../../engine/reduce/quantile-buckets.ts';

/** Buckets of a sketch, and how many values each has. */
export type Bins = ReadonlyMap<number, number>;

const middle = middleOf(SKETCH_BITS);
/** Beyond these shares a bar has all that lies further out: one odd value does not make all others a line. */
const TAIL = 0.005;

/**
 * Quantiles of what a sketch has, as its buckets' middles; null of nothing.
 *
 * @param shares ascending, from 0 to 1
 * @example
 * quantilesOf(new Map([[bucketOf(6)(1), 9], [bucketOf(6)(8), 1]]), [0.5, 0.95]); // [1.0078125, 8.0625]
 */
export function quantilesOf(bins: Bins, shares: readonly number[]): number[] | null {
  const sorted = [...bins].filter(([, count]) => count > 0).toSorted(([a], [b]) => a - b);
  const total = sorted.reduce((sum, [, count]) => sum + count, 0);
  if (total === 0) return null;
  let at = 0;
  let below = sorted[0]![1];
  return shares.map((share) => {
    while (below < share * total && at + 1 < sorted.length) below += sorted[++at]![1];
    return middle(sorted[at]![0]);
  });
}

/** A distribution as bars, and the one it is held to; null where there is none. Bars are no narrower than a sketch can tell. */
export function histogramOf(now: Bins, before: Bins | null, most: number): Histogram | null {
  const both = new Map(now);
  for (const [bin, count] of before ?? []) both.set(bin, (both.get(bin) ?? 0) + count);
  const ends = quantilesOf(both, [TAIL, 1 - TAIL]);
  if (ends === null) return null;
  const [low, high] = ends as [number, number];
  const finest = Math.max(Math.abs(low), Math.abs(high)) / 2 ** SKETCH_BITS;
  const bars = high === low ? 1 : Math.max(1, Math.min(most, Math.round((high - low) / (finest || 1))));
  const shares = (bins: Bins): number[] => {
    const counts = Array.from({ length: bars }, () => 0);
    let total = 0;
    for (const [bin, count] of bins) {
      const bar = high === low ? 0 : Math.floor(((middle(bin) - low) / (high - low)) * bars);
      counts[Math.min(bars - 1, Math.max(0, bar))]! += count;
      total += count;
    }
    return counts.map((count) => (total === 0 ? 0 : count / total));
  };
  return { low, high, now: shares(now), before: before === null || before.size === 0 ? null : shares(before) };
}
