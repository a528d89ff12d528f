import { MillraceError } from '../errors/millrace-error.ts';

/** Shares are whole numbers of 2^-20: their sums are exact, so that the chance of a variant is its share to the last bit. */
const UNIT = 2 ** 20;

/** What each variant keeps, however unlikely it is the best: else nothing more would be learnt of it. */
export const LEAST_SHARE = 0.05;

/**
 * Shares of the next revision of a bandit: the chances of being best, none below `least`, what that takes being taken from the others in
 * proportion. They sum up to exactly 1.
 *
 * @param chances that sum up to 1 (`bestChances`)
 * @param least default 5 %
 * @returns in the order of `chances`
 * @example
 * banditShares([0.99, 0.01]); // [0.95, 0.05], in whole numbers of 2^-20
 */
export function banditShares(chances: readonly number[], least = LEAST_SHARE): number[] {
  const floor = Math.ceil(least * UNIT);
  if (chances.length === 0 || floor * chances.length > UNIT)
    throw new MillraceError(
      'invalid-shares',
      `a bandit of ${chances.length} variants, each of which is to keep ${least} of the units: expected 1 to ${Math.floor(UNIT / floor)} variants`,
      { remedy: 'Try fewer variants at once, or let each keep less.', details: { variants: chances.length, least } },
    );
  const floored = new Set<number>();
  let wanted: number[] = [];
  // Each turn floors one at least, or is the last.
  for (;;) {
    const rest = UNIT - floor * floored.size;
    const total = chances.reduce((sum, chance, index) => (floored.has(index) ? sum : sum + chance), 0);
    const free = chances.length - floored.size;
    wanted = chances.map((chance, index) =>
      floored.has(index) ? floor : total > 0 ? (rest * chance) / total : rest / free,
    );
    const low = wanted.flatMap((units, index) => (floored.has(index) || units >= floor ? [] : [index]));
    if (low.length === 0) break;
    for (const index of low) floored.add(index);
  }
  // What rounding down leaves goes to where it takes most; of equals to the likelier (two chances may differ by less than what they are wanted), then to the first.
  const units = wanted.map((each) => Math.max(floor, Math.floor(each)));
  const byRest = wanted
    .map((each, index) => ({ index, rest: each - units[index]! }))
    .sort((a, b) => b.rest - a.rest || chances[b.index]! - chances[a.index]!);
  for (let left = UNIT - units.reduce((sum, each) => sum + each, 0), at = 0; left > 0; left--, at++)
    units[byRest[at % byRest.length]!.index]!++;
  return units.map((each) => each / UNIT);
}
