import { combinedDifference, type Difference, meanDifference } from '../evidence/difference.ts';
import { decisionFigures, type WatchedDecision } from './decision-figures.ts';
import { intervalOf } from './judge.ts';
import type { GuardrailJudgement, TellableInterval } from './judgement.ts';
import type { GuardrailRule, RolloutRule } from './rollout-rule.ts';
import { isInSegment } from './segments-of.ts';
import { UnitMeans } from './unit-means.ts';

/** One comparison of a guardrail: the numbers it reads of decisions, and whether more or less, or both, is worse. */
interface Comparison {
  readonly guardrail: number;
  readonly rule: GuardrailRule;
  readonly measure: number;
  readonly read: (figures: ReturnType<typeof decisionFigures>) => number | null;
  readonly worse: 'more' | 'less' | 'either';
}

interface StageMeans {
  readonly candidate: UnitMeans;
  readonly against: UnitMeans;
}

/**
 * The guardrails that need no label: what decisions themselves say, as they come. Their intervals are those of the metric (`comparisonsOf`), over units, the
 * stages together: looked at after each batch, they return nobody by chance.
 *
 * @example
 * const guards = new DecisionGuards(rule);
 * for (const decision of batch) guards.take(decision);
 * guards.judge().filter(({ isBreached }) => isBreached);
 */
export class DecisionGuards {
  readonly #rule: RolloutRule;
  readonly #comparisons: readonly Comparison[];
  readonly #stages = new Map<number, StageMeans>();

  constructor(rule: RolloutRule) {
    this.#rule = rule;
    this.#comparisons = comparisons(rule.guardrails);
  }

  /** Whether there is anything to watch. */
  get isNeeded(): boolean {
    return this.#comparisons.length > 0;
  }

  take(decision: WatchedDecision): void {
    const { stage, variant, unit } = decision;
    if (unit === null || unit === '' || this.#rule.stages[stage] === undefined) return;
    if (variant !== 'candidate' && variant !== 'against') return;
    const figures = decisionFigures(decision);
    const values = this.#comparisons.map(({ rule, read }) =>
      rule.segment === null || isInSegment(rule.segment, decision.context) ? read(figures) : null,
    );
    this.#meansOf(stage)[variant].add(unit, values);
  }

  /** Per guardrail that decisions tell of. */
  judge(): GuardrailJudgement[] {
    const told = Map.groupBy(this.#comparisons, ({ guardrail }) => guardrail);
    return [...told].map(([guardrail, own]) => {
      const all = own.map((comparison) => this.#worseBy(comparison));
      const isBreached = all.some((worse) => isOver(worse, own[0]!.rule.limit));
      // Of several the one that says most: a breach where there is one.
      const worst = all.reduce((most, one) => (rank(one) > rank(most) ? one : most), null);
      return { guardrail, worse: worst, isBreached };
    });
  }

  /** By how much the candidate is worse; of what may go either way, the way that it went. */
  #worseBy({ measure, worse }: Comparison): TellableInterval | null {
    const stages: Difference[] = [];
    for (const { candidate, against } of this.#stages.values()) {
      const own = meanDifference(candidate.read(measure), against.read(measure));
      if (own !== null) stages.push(own);
    }
    const difference = combinedDifference(stages);
    if (difference === null) return null;
    const isDown = worse === 'less' || (worse === 'either' && difference.value < 0);
    return intervalOf(this.#rule, isDown ? { ...difference, value: -difference.value } : difference);
  }

  #meansOf(stage: number): StageMeans {
    const known = this.#stages.get(stage);
    if (known !== undefined) return known;
    const made = {
      candidate: new UnitMeans(this.#comparisons.length),
      against: new UnitMeans(this.#comparisons.length),
    };
    this.#stages.set(stage, made);
    return made;
  }
}

function isOver(worse: TellableInterval | null, limit: number): boolean {
  return worse !== null && worse.low !== null && worse.low > limit;
}

function rank(worse: TellableInterval | null): number {
  return worse === null ? Number.NEGATIVE_INFINITY : (worse.low ?? -Number.MAX_VALUE);
}

function comparisons(guardrails: readonly GuardrailRule[]): Comparison[] {
  const made: Comparison[] = [];
  for (const [guardrail, rule] of guardrails.entries()) {
    const add = (read: Comparison['read'], worse: Comparison['worse']): void => {
      made.push({ guardrail, rule, measure: made.length, read, worse });
    };
    switch (rule.kind) {
      case 'latency':
        add(({ latencyMs }) => latencyMs, 'more');
        break;
      case 'errors':
        add(({ hasError }) => Number(hasError), 'more');
        break;
      case 'coverage':
        add(({ coverage }) => coverage, 'less');
        break;
      case 'action-share':
        add(({ action }) => Number(action === rule.action), 'either');
        break;
      case 'score-shift':
        for (const point of rule.points) add(({ score }) => (score === null ? null : Number(score <= point)), 'either');
        break;
      case 'metric':
    }
  }
  return made;
}
