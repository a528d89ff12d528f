import { shortNumber } from '../values/shown-number.ts';
import type { EvaluationReport } from './evaluation-report.ts';

/** A positive and a negative more than that: fewer of either tell little of a curve. */
const FEW_OF_A_CLASS = 30;
/** Of fewer, rewards that are rare may not have come among the great weights at all (docs/adr/0024). */
const FEW_BEHIND_ERRORS = 50;
/** Above it an interval may be narrower than it should be. */
const GREAT_WEIGHT = 20;

/** What to know of the figures, in sentences. */
export function evaluationNotes(report: Omit<EvaluationReport, 'metrics' | 'notes'>): string[] {
  const { base, sides, offPolicy } = report;
  const notes: string[] = [];
  if (sides.length === 0)
    notes.push(
      'no scores are judged: labels are texts of which none was named as yes (--positive), or no decision has a score',
    );
  if (sides.length > 0 && base.of === 'these rows')
    notes.push(
      'the base rate is that of the very rows, which no model can know before; publish a model with a metric baseRate, or give --base-rate',
    );
  for (const { name, measures } of sides) {
    if (measures.kind !== 'chance') continue;
    const few = Math.min(measures.positives, measures.rows - measures.positives);
    if (few < FEW_OF_A_CLASS) notes.push(`${name}: ${few} rows of the rarer label: its figures tell little`);
  }
  if (sides.length > 0)
    notes.push(
      'intervals of means go over units; those of AUC and calibration take rows for independent, and are narrower than they should be where units decide often',
    );
  const overlap = offPolicy?.value.kind === 'estimated' ? offPolicy.value.overlap : null;
  const weight = overlap?.greatestWeight ?? 0;
  if (overlap !== null && overlap.errorEffective < FEW_BEHIND_ERRORS)
    notes.push(
      `errors of the estimates rest on as much as ${shortNumber(overlap.errorEffective)} decisions: where great rewards or losses are rare, none of them may be among these, and intervals are narrower than they should be`,
    );
  if (weight > GREAT_WEIGHT)
    notes.push(
      `weights go up to ${shortNumber(weight)}: above ${GREAT_WEIGHT} intervals hold the truth less often than they say`,
    );
  return notes;
}
