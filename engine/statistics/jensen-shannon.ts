/** How often each of some kinds was seen. */
export type Counts<Kind> = ReadonlyMap<Kind, number>;

/**
 * The Jensen-Shannon distance of two samples: the root of their divergence in bits (Lin 1991; Endres, Schindelin 2003): from 0, where the shares are the
 * same, to 1, where they have nothing in common. Both count alike, however large they are. Of nothing it is NaN.
 *
 * @example
 * jensenShannon(new Map([['a', 10]]), new Map([['a', 5], ['b', 5]])); // 0.5579…
 */
export function jensenShannon<Kind>(left: Counts<Kind>, right: Counts<Kind>): number {
  return Math.sqrt(Math.max(0, divergence(left, right, 0.5) / Math.LN2));
}

/**
 * The G statistic by which two samples differ: 2(N + M) times their divergence in nats, weighted by their sizes. Of samples of one distribution it is
 * about χ² of one degree of freedom fewer than there are kinds (Wilks 1938; Grosse et al. 2002).
 *
 * @example
 * const { statistic, freedom } = gStatistic(today, before);
 * chiSquareTail(statistic, freedom); // the chance of as much, were nothing different
 */
export function gStatistic<Kind>(
  left: Counts<Kind>,
  right: Counts<Kind>,
): { readonly statistic: number; readonly freedom: number } {
  const [n, m] = [totalOf(left), totalOf(right)];
  const kinds = new Set([...left, ...right].filter(([, count]) => count > 0).map(([kind]) => kind)).size;
  return {
    statistic: Math.max(0, 2 * (n + m) * divergence(left, right, n / (n + m))),
    freedom: Math.max(0, kinds - 1),
  };
}

/** How many were seen. */
export function totalOf<Kind>(counts: Counts<Kind>): number {
  let total = 0;
  for (const count of counts.values()) total += count;
  return total;
}

/** In nats, the left one having so much of the weight. */
function divergence<Kind>(left: Counts<Kind>, right: Counts<Kind>, weight: number): number {
  const [n, m] = [totalOf(left), totalOf(right)];
  if (n === 0 || m === 0) return Number.NaN;
  let sum = 0;
  for (const [kind, count] of left) {
    const p = count / n;
    const q = (right.get(kind) ?? 0) / m;
    if (p > 0) sum += weight * p * Math.log(p / (weight * p + (1 - weight) * q));
  }
  for (const [kind, count] of right) {
    const q = count / m;
    const p = (left.get(kind) ?? 0) / n;
    if (q > 0) sum += (1 - weight) * q * Math.log(q / (weight * p + (1 - weight) * q));
  }
  return sum;
}
