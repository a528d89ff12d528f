import type { StageJudgement } from '../../engine/rollouts/judgement.ts';
import type { RolloutState, Standing } from './state.ts';

/** What is to be done next, and why; `stay`: nothing, until `untilMs` or until something is known. */
export type RolloutDecision =
  | { readonly do: 'open' }
  | { readonly do: 'judge' }
  | {
      readonly do: 'move';
      readonly stage: number;
      readonly share: number;
      readonly actor: string;
      readonly why: string;
    }
  | { readonly do: 'end'; readonly how: 'promoted' | 'returned'; readonly actor: string; readonly why: string }
  | { readonly do: 'stay'; readonly as: Standing['as']; readonly why: string; readonly untilMs: number | null };

/** Who goes on where nobody is asked. */
export const BY_EVIDENCE = 'evidence';
export const BY_GUARDRAIL = 'guardrail';

/** Between two looks at the evidence there is so many times what one takes, at least. */
const LOOK_PART = 3;

/**
 * What the state asks for. Pure: the same state, the same decision.
 *
 * @param nowMs the workflow's clock
 */
export function decideRollout(state: RolloutState, nowMs: number): RolloutDecision {
  const { plan, wants, failure, returned, asked } = state;
  if (returned !== null && plan !== null) return { do: 'end', how: 'returned', actor: BY_GUARDRAIL, why: returned };
  if (wants.end !== null) return { do: 'end', ...wants.end };
  if (failure !== null) return stay('failed', failure.message, null);
  if (plan === null) return { do: 'open' };
  // A look that takes long is taken less often: most of the time something else may have the machine.
  const everyMs = Math.max(asked.options.evaluateSeconds * 1000, LOOK_PART * (state.judgement?.tookMs ?? 0));
  const dueMs = state.judgedAtMs === null ? nowMs : state.judgedAtMs + everyMs;
  if (dueMs <= nowMs) return { do: 'judge' };
  return byEvidence(state, nowMs, dueMs);
}

function byEvidence(state: RolloutState, nowMs: number, dueMs: number): RolloutDecision {
  const { judgement, asked, stage, wants, approved } = state;
  const { rule } = asked;
  const own = rule.stages[stage]!;
  if (judgement === null) return stay('collecting', 'nothing was judged yet', dueMs);
  const breached = judgement.guardrails.find(({ isBreached }) => isBreached);
  if (breached !== undefined) {
    const { segment, limit } = rule.guardrails[breached.guardrail]!;
    const where = segment === null ? '' : ` on ${segment}`;
    const by =
      breached.worse === null ? '' : `: by ${round(breached.worse.value)}, at least ${round(breached.worse.low ?? 0)}`;
    const why = `guardrail on the metric${where}: worse than by ${limit}${by}`;
    return { do: 'end', how: 'returned', actor: BY_GUARDRAIL, why };
  }
  if (wants.paused) return stay('paused', 'paused: no stage ends by itself', dueMs);
  const mine = judgement.stages.find((one) => one.stage === stage);
  if (mine?.isRatioMismatch === true)
    return stay(
      'blocked',
      `${lostText(mine, own.share)} (p < 0.001); no effect is to be believed until it is known why`,
      dueMs,
    );
  if (judgement.isWorse)
    return { do: 'end', how: 'returned', actor: BY_EVIDENCE, why: `worse by evidence: ${differenceText(state)}` };
  const ripeMs = (state.stageSinceMs ?? nowMs) + own.minTimeMs;
  const why = whyOver(state);
  if (why === null || ripeMs > nowMs) {
    const shares = sharesDue(state, nowMs);
    if (shares !== null) return shares;
    const untilMs = why !== null && ripeMs > nowMs ? Math.min(dueMs, ripeMs) : dueMs;
    return stay('collecting', why === null ? whatIsMissing(state) : `${why}; its time is not over`, untilMs);
  }
  if (own.approve && approved?.stage !== stage) return stay('approval', why, dueMs);
  const actor = own.approve ? approved!.actor : BY_EVIDENCE;
  const next = rule.stages[stage + 1];
  if (next === undefined) return { do: 'end', how: 'promoted', actor, why };
  return { do: 'move', stage: stage + 1, share: next.share, actor, why };
}

function lostText({ candidate, against, losses }: StageJudgement, share: number): string {
  if (losses == null)
    return `units were lost by variant: ${candidate.exposed} have the candidate and ${against.exposed} what is there, of a share of ${share}`;
  const { candidate: tried, against: there } = losses;
  return `decisions were dropped by variant: ${tried.dropped} beside ${tried.sent} of the candidate, ${there.dropped} beside ${there.sent} of what is there`;
}

/** Why the stage is over; null: it is not. */
function whyOver(state: RolloutState): string | null {
  const { judgement, asked, stage } = state;
  const own = asked.rule.stages[stage]!;
  const units = judgement?.stages.find((one) => one.stage === stage)?.units ?? 0;
  if (judgement === null) return null;
  const isTold = own.share > 0 || asked.rule.metric.measure !== 'label';
  if (!isTold) return units >= own.minUnits ? `${round(units)} units were decided on by both` : null;
  if (units < own.minUnits) return null;
  if (judgement.isBetter) return `better by evidence: ${differenceText(state)}`;
  if (judgement.isNotWorse) return `not worse by ${own.smallestEffect}, by evidence: ${differenceText(state)}`;
  return null;
}

function whatIsMissing(state: RolloutState): string {
  const { judgement, asked, stage } = state;
  const own = asked.rule.stages[stage]!;
  if (judgement?.lacks != null) return judgement.lacks;
  const units = judgement?.stages.find((one) => one.stage === stage)?.units ?? 0;
  const counted = `${round(units)} of ${own.minUnits} units`;
  return units < own.minUnits
    ? counted
    : `${counted}, and the difference may still be either way: ${differenceText(state)}`;
}

/** A bandit draws its shares up anew, by the labels that are mature. */
function sharesDue({ asked, stage, judgement, sharedAtMs }: RolloutState, nowMs: number): RolloutDecision | null {
  if (asked.rule.mode !== 'bandit' || judgement?.bestChances == null) return null;
  if (sharedAtMs !== null && sharedAtMs + asked.everyMs > nowMs) return null;
  const [chance] = judgement.bestChances;
  const why = `the candidate is the best with a chance of ${round(chance!)}`;
  return { do: 'move', stage, share: judgement.banditShare!, actor: 'bandit', why };
}

/** `-0.021 (-0.035 to -0.008)`, of the candidate less the other. */
export function differenceText({ judgement }: Pick<RolloutState, 'judgement'>): string {
  const combined = judgement?.combined ?? null;
  if (combined === null) return 'no difference is known';
  const { value, low, high } = combined;
  const bound = (at: number | null): string => (at === null ? 'open' : round(at));
  return `${round(value)} (${bound(low)} to ${bound(high)})`;
}

/** Four digits that mean something. */
export function round(value: number): string {
  return String(Number(value.toPrecision(4)));
}

function stay(as: Standing['as'], why: string, untilMs: number | null): RolloutDecision {
  return { do: 'stay', as, why, untilMs };
}
