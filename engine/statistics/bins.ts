/** Into so many stretches of about equally many rows a number is put, where categories are asked for. */
export const BINS = 10;

/**
 * Puts numbers into at most so many categories of about equally many rows; equal numbers into one.
 *
 * @param values without NaN
 * @returns per value its category, from 0, ascending
 * @example
 * binned(Float64Array.of(5, 1, 3, 1), 2); // Int32Array [1, 0, 1, 0]
 */
export function binned(values: Float64Array, bins = BINS): Int32Array {
  const sorted = values.toSorted();
  const edges: number[] = [];
  for (let bin = 1; bin <= bins; bin++) {
    const edge = sorted[Math.ceil((bin * sorted.length) / bins) - 1];
    if (edge !== undefined && edge !== edges.at(-1)) edges.push(edge);
  }
  return Int32Array.from(values, (value) => firstNotBelow(edges, value));
}

function firstNotBelow(edges: readonly number[], value: number): number {
  let low = 0;
  let high = edges.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (edges[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
