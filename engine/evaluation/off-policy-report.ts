import { clusteredMean, type MeanEstimate, unitPlaces } from '../evidence/clustered-mean.ts';
import { type LoggedDecision, offPolicyValue, type OffPolicyValue } from '../evidence/off-policy.ts';
import { rewardByAction } from '../evidence/reward-by-action.ts';
import { SUM_TOLERANCE } from '../evidence/variant-shares.ts';
import { formatDateTime } from '../values/iso-time.ts';
import { contextColumns } from './context-columns.ts';
import { type CostMatrix, rewardOf } from './costs.ts';
import { propensitiesMissing } from './evaluation-faults.ts';
import type { OffPolicyReport } from './evaluation-report.ts';
import { refusalText } from './evaluation-words.ts';
import type { HeldDecision } from './held-decision.ts';

/** Which units are learnt of together is the same in every run. */
const SEED = 'millrace evaluate';

/** What a policy does in the place of a decision: of all actions together 1. Null: it is not known there. */
export type ChancesOf = (decision: HeldDecision) => ReadonlyMap<string, number> | null;

/** What the value of a policy is worked out from. */
export interface OffPolicyInput {
  readonly candidate: string;
  /** Acted decisions of others, with labels. */
  readonly logged: readonly HeldDecision[];
  readonly chancesOf: ChancesOf;
  /** What the candidate itself decided and did on the same days. */
  readonly own: readonly HeldDecision[];
  readonly takenAtItsWord: number;
  readonly costs: CostMatrix | undefined;
}

type Context = Readonly<Record<string, unknown>>;

/**
 * What a policy would have brought in the places of logged decisions, and what its own brought.
 *
 * @throws MillraceError `propensities-missing` where no decision tells its propensity, `reward-missing`
 */
export function offPolicyReport({
  candidate,
  logged,
  chancesOf,
  own,
  takenAtItsWord,
  costs,
}: OffPolicyInput): OffPolicyReport {
  const withPropensity = logged.filter(({ propensity }) => propensity !== null && propensity > 0 && propensity <= 1);
  if (logged.length > 0 && withPropensity.length === 0) throw propensitiesMissing(logged.length);
  const used: HeldDecision[] = [];
  const decisions: LoggedDecision<Context>[] = [];
  for (const decision of withPropensity) {
    const chances = chancesOf(decision);
    if (chances === null || !areChances(chances)) continue;
    const { unit, context, action, label, propensity } = decision;
    used.push(decision);
    decisions.push({
      unit,
      context,
      action,
      reward: rewardOf(costs, action, label),
      propensity: propensity!,
      candidate: chances,
    });
  }
  const fit = rewardByAction(contextColumns(decisions.map(({ context }) => context)));
  const value = offPolicyValue(decisions, fit, SEED);
  return {
    candidate,
    reward: costs === undefined ? 'label' : 'costs',
    logged: {
      decisions: logged.length,
      withoutPropensity: logged.length - withPropensity.length,
      withoutCandidate: withPropensity.length - used.length,
      used: used.length,
    },
    takenAtItsWord,
    asDecided: meanReward(used, costs),
    value,
    refusal: value.kind === 'refused' ? refusalText(value, untriedShare(decisions)) : null,
    actual: actualOf(own, costs),
    usedSpan: spanOf(used),
    actualSpan: spanOf(own),
  };
}

function areChances(chances: ReadonlyMap<string, number>): boolean {
  let sum = 0;
  for (const chance of chances.values()) {
    if (!(chance >= 0 && chance <= 1)) return false;
    sum += chance;
  }
  return Math.abs(sum - 1) <= SUM_TOLERANCE;
}

/** How much of what the candidate does was never done. */
function untriedShare(decisions: readonly LoggedDecision<Context>[]): number {
  const done = new Set(decisions.map(({ action }) => action));
  let untried = 0;
  for (const { candidate } of decisions)
    for (const [action, chance] of candidate) if (!done.has(action)) untried += chance;
  return decisions.length === 0 ? 0 : untried / decisions.length;
}

function actualOf(own: readonly HeldDecision[], costs: CostMatrix | undefined): OffPolicyReport['actual'] {
  const mean = meanReward(own, costs);
  return mean && { decisions: own.length, units: new Set(own.map(({ unit }) => unit)).size, mean };
}

function meanReward(decisions: readonly HeldDecision[], costs: CostMatrix | undefined): MeanEstimate | null {
  if (decisions.length === 0) return null;
  return clusteredMean(
    unitPlaces(decisions.map(({ unit }) => unit)),
    Float64Array.from(decisions, ({ action, label }) => rewardOf(costs, action, label)),
    new Float64Array(decisions.length).fill(1),
  );
}

function spanOf(decisions: readonly HeldDecision[]): readonly [string, string] | null {
  if (decisions.length === 0) return null;
  let [from, to] = [Infinity, -Infinity];
  for (const { timeUs } of decisions) {
    from = Math.min(from, timeUs);
    to = Math.max(to, timeUs);
  }
  return [formatDateTime(from), formatDateTime(to)];
}

/** The estimate that is quoted: doubly robust, which is at least as narrow where its model of rewards tells anything. */
export function quotedEstimate(value: OffPolicyValue): MeanEstimate | null {
  return value.kind === 'estimated' ? value.doublyRobust : null;
}
