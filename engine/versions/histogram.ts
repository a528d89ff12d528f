/** Numbers from `from` to `until`, and how many there are. */
export interface Bin {
  readonly from: number;
  readonly until: number;
  readonly cells: number;
}

/**
 * Counts numbers in stretches of equal length. What lies outside of all but a hundredth at either end counts in the outermost ones. Where those
 * ends are one number there is one stretch around it.
 *
 * @example
 * histogram([1, 1, 2, 4], 3); // [{ from: 1, until: 2, cells: 2 }, { from: 2, until: 3, cells: 1 }, { from: 3, until: 4, cells: 1 }]
 */
export function histogram(numbers: ArrayLike<number>, bins = 30): readonly Bin[] {
  const sorted = Float64Array.from(numbers).sort();
  const low = sorted[Math.floor(sorted.length * 0.01)] ?? 0;
  const high = sorted[Math.ceil(sorted.length * 0.99) - 1] ?? 0;
  // By parts: the whole may be more than any double.
  const width = high / bins - low / bins;
  if (!(width > 0)) return [{ from: low - 0.5, until: low + 0.5, cells: numbers.length }];
  const counts = Array.from({ length: bins }, () => 0);
  for (const number of sorted) {
    const bin = Math.floor(number / width - low / width);
    counts[Math.max(0, Math.min(bins - 1, bin))]!++;
  }
  return counts.map((cells, bin) => ({ from: low + bin * width, until: low + (bin + 1) * width, cells }));
}
