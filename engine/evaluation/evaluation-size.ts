import { type CollectedDecisions, collectDecisions, type OpenScan } from './collect-decisions.ts';
import type { EvaluationAsk } from './evaluation-ask.ts';
import { modelText } from './evaluation-ask.ts';
import type { LabelCounts } from './evaluation-report.ts';
import type { HeldDecision } from './held-decision.ts';

/** How many rows an evaluation has to go by. */
export interface EvaluationSize {
  readonly counts: LabelCounts;
  readonly withoutLabel: number;
  /** Each version of a model that decided in these days. */
  readonly models: readonly {
    readonly name: string;
    /** Records of decisions, of whatever label. */
    readonly decisions: number;
    /** With a label, of those that are asked about: acted on, in shadow; with a score, with a propensity. */
    readonly acted: number;
    readonly shadows: number;
    readonly scored: number;
    readonly withPropensity: number;
  }[];
}

/** Counts what an evaluation would use, and measures nothing. Throws what `collectDecisions` throws. */
export async function evaluationSize(
  ask: EvaluationAsk,
  openScan: OpenScan,
  options: Parameters<typeof collectDecisions>[2],
): Promise<EvaluationSize> {
  const { held, deciders, counts, withoutLabel }: CollectedDecisions = await collectDecisions(ask, openScan, options);
  const byModel = Map.groupBy(held, ({ by }) => modelText(by));
  const models = [...deciders].map(([name, decisions]) => {
    const own = byModel.get(name) ?? [];
    const of = (is: (decision: HeldDecision) => boolean): number => own.filter(is).length;
    return {
      name,
      decisions,
      acted: of(({ isActed }) => isActed),
      shadows: of(({ isActed }) => !isActed),
      scored: of(({ score }) => score !== null),
      withPropensity: of(({ propensity }) => propensity !== null),
    };
  });
  return { counts, withoutLabel, models };
}
