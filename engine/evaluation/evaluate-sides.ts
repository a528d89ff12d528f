import type { CollectedDecisions } from './collect-decisions.ts';
import { compareLosses } from './compare-sides.ts';
import { type EvaluationAsk, isSameModel, type ModelNamed, modelText } from './evaluation-ask.ts';
import { labelNotScored, modelNeverDecided, noMatureLabels, noScores } from './evaluation-faults.ts';
import type { EvaluationReport } from './evaluation-report.ts';
import type { HeldDecision } from './held-decision.ts';
import { scoredLabels } from './label-numbers.ts';
import { lossesOf, type ScoredDecision, scoredDecisions, sideReport } from './score-side.ts';

/** What is asked, of which labels, as known when. */
export type Asked = EvaluationAsk & { readonly labels: string; readonly asOf: string };

type Scores = ReadonlyMap<string, number>;

/**
 * The scores of the model asked for, and of the one against. Where a policy is asked about as well nothing need have a score: then there are no sides.
 *
 * @param scores those of a file, which are the model's then
 */
export function evaluateSides(
  ask: Asked,
  collected: CollectedDecisions,
  scores: Scores | null,
): Pick<EvaluationReport, 'sides' | 'comparison'> {
  const { model, against, labels, positive, segments = [], baseRate, offPolicy } = ask;
  const asked = [{ named: model, scores }, ...(against === undefined ? [] : [{ named: against, scores: null }])].map(
    (one) => ({ ...one, name: modelText(one.named), own: decisionsOf(one.named, collected, one.scores) }),
  );
  for (const { named, own, scores: given } of asked)
    if (own.length === 0) throw whyNone(named, collected, given !== null, ask.asOf);
  const as = scoredLabels(
    collected.held.map(({ label }) => label),
    positive,
  );
  const none = { sides: [], comparison: null };
  if (as.kind === 'text') {
    if (offPolicy !== undefined) return none;
    throw labelNotScored(labels, as.seen);
  }
  const scored: ScoredDecision[][] = [];
  for (const { name, own, scores: given } of asked) {
    const rows = scoredDecisions(own, as, ({ id, score }) => (given === null ? score : (given.get(id) ?? null)));
    if (rows.length === 0) {
      if (offPolicy !== undefined) return none;
      throw noScores(name, own.length, given === null ? 'in its record' : 'in the file');
    }
    scored.push(rows);
  }
  const sides = asked.map(({ name, own }, side) => sideReport(name, own, scored[side]!, as, segments, baseRate?.value));
  const [first, second] = sides;
  if (first === undefined || second === undefined) return { sides, comparison: null };
  const [one, other] = scored.map((rows) => lossesOf(rows, as.kind));
  return {
    sides,
    comparison: {
      first: first.name,
      second: second.name,
      measure: as.kind === 'chance' ? 'log loss' : 'squared error',
      ...compareLosses(one!, other!),
    },
  };
}

/** A version's decisions, acted on or in shadow; with a file of scores what was acted on by any of its name. */
function decisionsOf(named: ModelNamed, { held }: CollectedDecisions, scores: Scores | null): readonly HeldDecision[] {
  return scores === null
    ? held.filter(({ by }) => isSameModel(by, named))
    : held.filter(({ by, isActed }) => isActed && by.model === named.model);
}

function whyNone(named: ModelNamed, { deciders, counts }: CollectedDecisions, isByFile: boolean, asOf: string): Error {
  const name = isByFile ? named.model : modelText(named);
  const hasDecided = isByFile
    ? [...deciders.keys()].some((one) => one.startsWith(`${named.model}@`))
    : deciders.has(name);
  return hasDecided ? noMatureLabels(name, asOf, counts) : modelNeverDecided(name, deciders);
}
