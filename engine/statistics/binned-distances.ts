import { type Counts, totalOf } from './jensen-shannon.ts';

/** How far two samples of numbers are apart that were counted in the same bins. */
export interface BinnedDistances {
  /** Kolmogorov and Smirnov: the greatest difference of their distribution functions, from 0 to 1. */
  readonly ks: number;
  /** Wasserstein-1 (earth mover's): the area between them, in the unit of the numbers. */
  readonly wasserstein: number;
}

/**
 * Distances of two samples in the bins of a quantile sketch. Each number is taken for its bin's middle: KS is exact at the bins' edges, Wasserstein is
 * off by the sketch's accuracy at most. Of nothing both are NaN.
 *
 * @param middleOf the number that stands for a bin; ascending with the bins
 * @example
 * binnedDistances(new Map([[1, 4]]), new Map([[2, 4]]), (bin) => bin); // { ks: 1, wasserstein: 1 }
 */
export function binnedDistances(
  left: Counts<number>,
  right: Counts<number>,
  middleOf: (bin: number) => number,
): BinnedDistances {
  const [n, m] = [totalOf(left), totalOf(right)];
  if (n === 0 || m === 0) return { ks: Number.NaN, wasserstein: Number.NaN };
  const bins = [...new Set([...left.keys(), ...right.keys()])].toSorted((a, b) => a - b);
  let [below, belowRight, ks, wasserstein] = [0, 0, 0, 0];
  for (const [index, bin] of bins.entries()) {
    below += left.get(bin) ?? 0;
    belowRight += right.get(bin) ?? 0;
    const apart = Math.abs(below / n - belowRight / m);
    ks = Math.max(ks, apart);
    const next = bins[index + 1];
    if (next !== undefined && apart > 0) wasserstein += apart * (middleOf(next) - middleOf(bin));
  }
  return { ks, wasserstein };
}
