import { betaDensity, incompleteBeta } from '../statistics/beta.ts';
import { integrate } from '../statistics/integrate.ts';
import { normalCdf, normalDensity } from '../statistics/normal.ts';
import type { SampleMoments } from './exact-moments.ts';

/** What is believed of a variant's mean. */
interface Belief {
  readonly mean: number;
  readonly deviation: number;
  readonly density: (x: number) => number;
  /** The chance that the mean is at most x. */
  readonly below: (x: number) => number;
  readonly least: number;
  readonly greatest: number;
}

/** What the values of units are. */
export type RewardKind =
  /** From 0 to 1, yes and no among them: what is believed of a mean is Beta(1 + sum, 1 + rest), at least as wide as it should be. */
  | 'share'
  /** Any numbers, of one variance in all variants: what is believed of a mean is normal. */
  | 'number';

/** Where bounds of integration lie about each mean, in deviations. Beta of few hits falls off as slowly as an exponential: e^-36 is left beyond them. */
const STEPS = [-36, -24, -16, -12, -8, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 8, 12, 16, 24, 36];
const FURTHEST = 36;

/**
 * Per variant the chance that its mean is the best of all, as Thompson sampling draws them; by quadrature, so that it is a function of the sums alone.
 * Equal for all while one variant has fewer than two units, or none vary at all.
 *
 * @param samples of mature outcomes, each unit once
 * @param better whether more or less is better
 * @returns chances that sum up to 1, in the order of `samples`
 * @example
 * bestChances([{ count: 100, mean: 0.3, variance: 0.21 }, { count: 100, mean: 0.1, variance: 0.09 }], 'share', 'more'); // [0.9997…, 0.0002…]
 */
export function bestChances(samples: readonly SampleMoments[], kind: RewardKind, better: 'more' | 'less'): number[] {
  const beliefs = kind === 'share' ? samples.map(shareBelief) : numberBeliefs(samples);
  if (beliefs === null) return samples.map(() => 1 / samples.length);
  const bounds = [...new Set(beliefs.flatMap(boundsOf))].sort((a, b) => a - b);
  const chances = beliefs.map((own) => {
    const others = beliefs.filter((other) => other !== own);
    const isBest = (x: number): number =>
      others.reduce((chance, { below }) => chance * (better === 'more' ? below(x) : 1 - below(x)), own.density(x));
    return integrate(
      isBest,
      bounds.filter((x) => Math.abs(x - own.mean) <= FURTHEST * own.deviation),
    );
  });
  const sum = chances.reduce((total, chance) => total + chance, 0);
  return chances.map((chance) => chance / sum);
}

function boundsOf({ mean, deviation, least, greatest }: Belief): number[] {
  return STEPS.map((step) => Math.max(least, Math.min(greatest, mean + step * deviation)));
}

function shareBelief({ count, mean }: SampleMoments): Belief {
  const sum = Math.max(0, Math.min(count, mean * count));
  const [a, b] = [1 + sum, 1 + count - sum];
  return {
    mean: a / (a + b),
    deviation: Math.sqrt((a * b) / (a + b + 1)) / (a + b),
    density: (x) => betaDensity(x, a, b),
    below: (x) => incompleteBeta(x, a, b),
    least: 0,
    greatest: 1,
  };
}

/** The variance of all together: one variant's own may be 0 by chance, and then it would be taken for certain. */
function numberBeliefs(samples: readonly SampleMoments[]): Belief[] | null {
  let [squares, freedom] = [0, 0];
  for (const { count, variance } of samples) {
    if (count < 2) return null;
    squares += variance * (count - 1);
    freedom += count - 1;
  }
  if (!(squares > 0)) return null;
  return samples.map(({ count, mean }) => {
    const deviation = Math.sqrt(squares / freedom / count);
    return {
      mean,
      deviation,
      density: (x) => normalDensity((x - mean) / deviation) / deviation,
      below: (x) => normalCdf((x - mean) / deviation),
      least: Number.NEGATIVE_INFINITY,
      greatest: Number.POSITIVE_INFINITY,
    };
  });
}
