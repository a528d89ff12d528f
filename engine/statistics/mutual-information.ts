/** What a category tells of a label, in bits. */
export interface MutualInformation {
  /** As counted, without what chance gives: what remains may be a little below 0. */
  readonly bits: number;
  /** What so many categories of these sizes tell on average of a label that has nothing to do with them. */
  readonly byChance: number;
  /** The label's own entropy: more than it nothing can tell. */
  readonly ofLabel: number;
}

/**
 * Mutual information of two categories, less its exact expectation where one of them is shuffled (Vinh, Epps & Bailey, JMLR 11, 2010): many
 * small categories otherwise seem to tell much of anything.
 *
 * @param x categories as numbers from 0, one per row; of one length with `y`, the label's
 * @example
 * mutualInformation(Int32Array.of(0, 0, 1, 1), Int32Array.of(0, 0, 1, 1)).ofLabel; // 1 bit
 */
export function mutualInformation(x: Int32Array, y: Int32Array): MutualInformation {
  const n = x.length;
  const [countsX, countsY] = [countsOf(x), countsOf(y)];
  const width = countsY.length;
  const both = new Map<number, number>();
  for (let index = 0; index < n; index++) {
    const cell = x[index]! * width + y[index]!;
    both.set(cell, (both.get(cell) ?? 0) + 1);
  }
  let counted = 0;
  for (const [cell, count] of both) {
    const a = countsX[Math.floor(cell / width)]!;
    const b = countsY[cell % width]!;
    counted += (count / n) * Math.log2((count / a) * (n / b));
  }
  const byChance = expectedBits(countsX, countsY, n);
  const ofLabel = countsY.reduce((sum, count) => (count === 0 ? sum : sum - (count / n) * Math.log2(count / n)), 0);
  return { bits: counted - byChance, byChance, ofLabel };
}

function countsOf(codes: Int32Array): number[] {
  const counts: number[] = [];
  for (const code of codes) {
    while (counts.length <= code) counts.push(0);
    counts[code]!++;
  }
  return counts;
}

/** The sum over all cells of the hypergeometric mean of what they add. Cells of equal margins add the same: they are counted, not repeated. */
function expectedBits(countsX: readonly number[], countsY: readonly number[], n: number): number {
  const logFactorial = new Float64Array(n + 1);
  for (let k = 2; k <= n; k++) logFactorial[k] = logFactorial[k - 1]! + Math.log(k);
  let sum = 0;
  for (const [a, timesA] of sizes(countsX)) {
    for (const [b, timesB] of sizes(countsY)) {
      const margins =
        logFactorial[a]! + logFactorial[b]! + logFactorial[n - a]! + logFactorial[n - b]! - logFactorial[n]!;
      let cell = 0;
      for (let k = Math.max(1, a + b - n); k <= Math.min(a, b); k++) {
        const chance =
          margins - logFactorial[k]! - logFactorial[a - k]! - logFactorial[b - k]! - logFactorial[n - a - b + k]!;
        cell += (k / n) * Math.log2((k / a) * (n / b)) * Math.exp(chance);
      }
      sum += cell * timesA * timesB;
    }
  }
  return sum;
}

/** How many categories there are of each size. */
function sizes(counts: readonly number[]): Map<number, number> {
  const times = new Map<number, number>();
  for (const count of counts) if (count > 0) times.set(count, (times.get(count) ?? 0) + 1);
  return times;
}
