import { evaluateScores, lossOf, type ScoredRow, type ScoreMeasures } from '../evidence/evaluate-scores.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import type { Loss } from './compare-sides.ts';
import type { Measures, SegmentPart, SideReport } from './evaluation-report.ts';
import type { HeldDecision } from './held-decision.ts';
import type { ScoredLabels } from './label-numbers.ts';
import { numberMeasures, squaredErrorOf } from './number-measures.ts';
import { largestSegments } from './segments.ts';

/** How labels are numbers: not as texts. */
export type NumberLabels = Exclude<ScoredLabels, { kind: 'text' }>;

/** A decision with the score that is judged. */
export interface ScoredDecision {
  readonly decision: HeldDecision;
  readonly score: number;
  readonly label: number;
}

/**
 * The decisions that have a score, with their labels as numbers. Throws MillraceError `invalid-score` where a chance is not from 0 to 1.
 *
 * @param scoreOf null: it has none
 */
export function scoredDecisions(
  decisions: readonly HeldDecision[],
  labels: NumberLabels,
  scoreOf: (decision: HeldDecision) => number | null,
): ScoredDecision[] {
  const scored: ScoredDecision[] = [];
  for (const decision of decisions) {
    const score = scoreOf(decision);
    if (score === null) continue;
    const isGood = labels.kind === 'chance' ? score >= 0 && score <= 1 : Number.isFinite(score);
    if (!isGood) throw invalidScore(decision.id, score);
    scored.push({ decision, score, label: labels.numberOf(decision.label) });
  }
  return scored;
}

/** How far scores were off, row by row. */
export function lossesOf(scored: readonly ScoredDecision[], kind: Measures['kind']): Loss[] {
  return scored.map(({ decision: { request, unit }, score, label }) => ({
    request,
    unit,
    loss: kind === 'chance' ? lossOf(score, label) : squaredErrorOf({ score, label }),
  }));
}

/**
 * Measures one model's scores, over all and by segment.
 *
 * @param scored one at least
 * @param fields what segments are asked for; decisions have their values in this order
 * @param base the rate, or mean, that was known before; default: that of the rows, of each segment its own
 */
export function sideReport(
  name: string,
  decisions: readonly HeldDecision[],
  scored: readonly ScoredDecision[],
  { kind }: NumberLabels,
  fields: readonly string[],
  base: number | undefined,
): SideReport {
  return {
    name,
    rows: scored.length,
    acted: scored.filter(({ decision }) => decision.isActed).length,
    units: new Set(scored.map(({ decision }) => decision.unit)).size,
    withoutScore: decisions.length - scored.length,
    failed: decisions.filter(({ failed }) => failed).length,
    measures: measuresOf(scored, kind, base),
    segments: fields.map((by, field) => ({ by, parts: partsOf(scored, field, kind, base) })),
  };
}

function partsOf(
  scored: readonly ScoredDecision[],
  field: number,
  kind: Measures['kind'],
  base: number | undefined,
): SegmentPart[] {
  const valueOf = ({ decision }: ScoredDecision): string => decision.segments[field]!;
  const { named, others } = largestSegments(scored.map(valueOf));
  const isNamed = new Set(named);
  const byValue = Map.groupBy(scored, (row) => (isNamed.has(valueOf(row)) ? valueOf(row) : null));
  return [...named, ...(others > 0 ? [null] : [])].map((value) => ({
    value,
    values: value === null ? others : 1,
    measures: measuresOf(byValue.get(value)!, kind, base),
  }));
}

function measuresOf(scored: readonly ScoredDecision[], kind: Measures['kind'], base: number | undefined): Measures {
  if (kind === 'chance') return { kind, ...chanceMeasures(scored, base) };
  const rows = scored.map(({ decision: { unit }, score, label }) => ({ unit, score, label }));
  return { kind, ...numberMeasures(rows, base) };
}

function chanceMeasures(scored: readonly ScoredDecision[], base: number | undefined): ScoreMeasures {
  const rows = scored.map(
    ({ decision: { unit }, score, label }): ScoredRow => ({ unit, score, label: label === 1 ? 1 : 0, segments: [] }),
  );
  return evaluateScores(rows, base).all;
}

function invalidScore(decisionId: string, received: number): MillraceError {
  return new MillraceError(
    'invalid-score',
    `the score of decision "${decisionId}": expected a chance from 0 to 1, as labels are yes and no; received ${received}`,
    {
      remedy:
        'Log the chance of the label as the score. What is no chance, as a margin, cannot be held to labels of yes and no.',
      details: { decisionId, received },
    },
  );
}
