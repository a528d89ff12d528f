/** How a rollout ended, for machines. */
export interface RolloutFigures {
  readonly candidate: number;
  readonly end: string;
  readonly why: string;
  readonly stages: number;
}

/** What an off-policy estimate came to, and what then happened. Rewards are costs, so none is above 0. */
export interface OffPolicyFigures {
  /** Doubly robust; null: refused. */
  readonly estimate: number | null;
  readonly interval: readonly [low: number, high: number] | null;
  /** The mean reward of the candidate's own units; null: there were none. */
  readonly actual: number | null;
  readonly actualInterval: readonly [low: number, high: number] | null;
  /** Why nothing is estimated. */
  readonly refusal: string | null;
}

/** The loop's result; the fields of `--json`. */
export interface LoopFigures {
  /** On the same flights of June: of the base rate of January to April, of the first model and of the second. */
  readonly logLossBase: number;
  readonly logLossA: number;
  readonly logLossB: number;
  /** Which of both stands in the end. */
  readonly chosen: 'A' | 'B';
  readonly rollout: RolloutFigures;
  /** Of the broken model; null: the one before never ended. */
  readonly guardrail: RolloutFigures | null;
  /** Of all units of June, the share that the broken model ever decided on. */
  readonly guardrailUnitsShare: number;
  readonly guardrailUnits: number;
  readonly opeEstimate: number | null;
  readonly opeInterval: readonly [low: number, high: number] | null;
  readonly opeActual: number | null;
  readonly opeActualInterval: readonly [low: number, high: number] | null;
  /** The same of the broken model. */
  readonly opeBroken: OffPolicyFigures;
  readonly decisions: number;
  readonly outcomes: number;
  readonly labelsMature: number;
  readonly labelsImmature: number;
  readonly seconds: number;
}

/** Whether the model that stands in the end tells more than the base rate. */
export function isBetterThanBase({ chosen, logLossA, logLossB, logLossBase }: LoopFigures): boolean {
  const logLoss = chosen === 'B' ? logLossB : logLossA;
  return logLoss < logLossBase;
}

/** Whether everything that the loop is to show was seen. */
export function isShown(figures: LoopFigures): boolean {
  const { rollout, guardrail } = figures;
  return isBetterThanBase(figures) && rollout.end === 'promoted' && guardrail?.end === 'returned';
}

/** The share of `all` units that were among `touched`. 0 of none. */
export function touchedShare(touched: ReadonlySet<string>, all: ReadonlySet<string>): number {
  if (all.size === 0) return 0;
  let both = 0;
  for (const unit of touched) if (all.has(unit)) both += 1;
  return both / all.size;
}
