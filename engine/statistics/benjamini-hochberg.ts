/**
 * Which of many hypotheses are rejected at once (Benjamini, Hochberg 1995): of those that are, at most the share `rate` is expected to be so by chance.
 * Where none holds, the chance that any is rejected is `rate`.
 *
 * @param chances p-values, in any order; NaN is never rejected, and counts as none
 * @returns per chance whether it is rejected
 * @example
 * benjaminiHochberg([0.001, 0.5, 0.02], 0.05); // [true, false, true]
 */
export function benjaminiHochberg(chances: readonly number[], rate: number): boolean[] {
  const tested = chances.filter((chance) => !Number.isNaN(chance)).toSorted((a, b) => a - b);
  const last = tested.findLastIndex((chance, index) => chance <= (rate * (index + 1)) / tested.length);
  const most = tested[last] ?? -1;
  return chances.map((chance) => chance <= most);
}
