import { type Counts, totalOf } from './jensen-shannon.ts';

/**
 * The population stability index: Σ(p − q)·ln(p/q), half a record being added to each kind of both, so that none is empty. It is to be shown, never to be
 * decided by: of equal distributions it is about (1/N + 1/M)·(kinds − 1) (Yurdakul, Naranjo 2020), which its folklore bounds of 0.1 and 0.25 do not know.
 *
 * @example
 * populationStability(new Map([['a', 50], ['b', 50]]), new Map([['a', 80], ['b', 20]])); // 0.41
 */
export function populationStability<Kind>(left: Counts<Kind>, right: Counts<Kind>): number {
  const kinds = new Set([...left.keys(), ...right.keys()]);
  const [n, m] = [totalOf(left), totalOf(right)].map((total) => total + kinds.size / 2) as [number, number];
  let sum = 0;
  for (const kind of kinds) {
    const p = ((left.get(kind) ?? 0) + 0.5) / n;
    const q = ((right.get(kind) ?? 0) + 0.5) / m;
    sum += (p - q) * Math.log(p / q);
  }
  return sum;
}
