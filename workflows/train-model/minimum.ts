import type { TrainMinimum } from './contract.ts';

const LOWER = /^(?:log_?loss|brier|mae|mse|rmse|error|loss|calibration_?error|ece)/i;
const HIGHER = /^(?:auc|accuracy|precision|recall|f1|r2|gain|lift|ndcg|map|roc)/i;

/** What a minimum is held to. */
export interface Known {
  readonly metrics: Readonly<Record<string, unknown>> | null;
  /** Of the present champion; null: there is none, or none are known of it. */
  readonly champion: { readonly version: number; readonly metrics: Readonly<Record<string, unknown>> | null } | null;
}

/** Which is better of a measure; null: neither is said nor known by its name. */
export function directionOf({ measure, better }: TrainMinimum): 'lower' | 'higher' | null {
  if (better !== undefined) return better;
  if (LOWER.test(measure)) return 'lower';
  return HIGHER.test(measure) ? 'higher' : null;
}

/**
 * Whether a model meets what is asked of it, and why, in words. A measure that was not told is not met.
 *
 * @example
 * judge({ measure: 'logLoss', betterThan: 'base-rate' }, { metrics: { logLoss: 0.4, logLossBase: 0.5 }, champion: null }); // { isMet: true, why: 'logLoss is 0.4, better than that of the base rate, 0.5' }
 */
export function judge(
  minimum: TrainMinimum,
  { metrics, champion }: Known,
): { readonly isMet: boolean; readonly why: string } {
  const { measure, atLeast, atMost, betterThan } = minimum;
  const value = numberOf(metrics, measure);
  if (value === null)
    return { isMet: false, why: `${teller(minimum)} told no number ${JSON.stringify(measure)} among its metrics` };
  const told: { readonly isMet: boolean; readonly why: string }[] = [];
  const bound = (isMet: boolean, why: string): void => void told.push({ isMet, why });
  if (atLeast != null) bound(value >= atLeast, `${value >= atLeast ? 'at' : 'not at'} least ${atLeast}`);
  if (atMost != null) bound(value <= atMost, `${value <= atMost ? 'at' : 'not at'} most ${atMost}`);
  if (betterThan != null) {
    const { other, whose } = otherOf(minimum, { metrics, champion });
    if (other === null) bound(betterThan === 'champion', whose);
    else {
      const isMet = directionOf(minimum) === 'lower' ? value < other : value > other;
      bound(isMet, `${isMet ? 'better' : 'not better'} than ${whose}, ${other}`);
    }
  }
  return {
    isMet: told.every(({ isMet }) => isMet),
    why: `${measure} is ${value}, ${told.map(({ why }) => why).join(', ')}`,
  };
}

function otherOf(
  { measure, betterThan, of }: TrainMinimum,
  { metrics, champion }: Known,
): { readonly other: number | null; readonly whose: string } {
  if (betterThan === 'base-rate') {
    const other = numberOf(metrics, `${measure}Base`);
    return {
      other,
      whose:
        other === null
          ? `and ${teller({ of })} told no number "${measure}Base" to compare it with`
          : 'that of the base rate',
    };
  }
  if (champion === null) return { other: null, whose: 'and there is no champion to compare it with' };
  const other = numberOf(champion.metrics, measure);
  const whose = `that of the champion, version ${champion.version}`;
  return { other, whose: other === null ? `and ${whose}, is not known` : whose };
}

function numberOf(metrics: Readonly<Record<string, unknown>> | null, name: string): number | null {
  const value = metrics !== null && Object.hasOwn(metrics, name) ? metrics[name] : null;
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

function teller({ of }: Pick<TrainMinimum, 'of'>): string {
  return of === 'evaluation' ? 'the evaluation' : 'the command';
}
