import type { GuardrailJudgement } from './judgement.ts';
import type { GuardrailRule } from './rollout-rule.ts';

/** A guardrail that was breached: which, where, since when, by which evidence. Plain JSON. */
export interface RolloutBreach {
  readonly rule: GuardrailRule;
  readonly judgement: GuardrailJudgement;
  readonly stage: number;
  /** When it was found, UTC epoch ms. */
  readonly foundAtMs: number;
  /** The first decision of the candidate in that stage, and the last one before it was found, UTC epoch µs; null: not known. */
  readonly firstDecidedUs: number | null;
  readonly lastDecidedUs: number | null;
}

/** `errors on origin=LAS` */
export function guardrailName({ kind, segment, action }: GuardrailRule): string {
  const what = action === null ? kind : `${kind} of "${action}"`;
  return segment === null ? what : `${what} on ${segment}`;
}

/** `guardrail errors on origin=LAS: worse by 0.2, at least 0.1 of 400 units; borne is 0.01; candidate since 2001-06-12T07:00:00.000Z` */
export function breachText({ rule, judgement, firstDecidedUs }: RolloutBreach): string {
  const { worse } = judgement;
  const by =
    worse === null
      ? 'worse'
      : `worse by ${digits(worse.value)}, at least ${digits(worse.low ?? 0)}, of ${Math.round(worse.units)} units`;
  const since = firstDecidedUs === null ? '' : `; candidate since ${new Date(firstDecidedUs / 1000).toISOString()}`;
  return `guardrail ${guardrailName(rule)}: ${by}; borne is ${digits(rule.limit)}${since}`;
}

function digits(value: number): string {
  return String(Number(value.toPrecision(4)));
}
