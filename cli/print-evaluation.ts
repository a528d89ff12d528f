import { calibrationPoints } from '../engine/evaluation/evaluation-plots.ts';
import type { EvaluationReport } from '../engine/evaluation/evaluation-report.ts';
import {
  comparisonLines,
  evaluationLines,
  measuresCells,
  measuresHead,
  offPolicyLines,
  partText,
  sideText,
} from '../engine/evaluation/evaluation-words.ts';
import { calibrationLines } from './calibration-plot.ts';
import type { Output } from './output.ts';

/** What was looked at, the scores with their calibration and by segment, then what a policy would have brought, then what to know of the figures. */
export function printEvaluation(output: Output, report: EvaluationReport): void {
  const { sides, offPolicy, notes } = report;
  for (const [word, text] of evaluationLines(report)) output.line(`${word.padEnd(10)} ${text}`);
  const [first] = sides;
  if (first !== undefined) {
    const head = measuresHead(first.measures.kind);
    output.table(
      ['model', ...head],
      sides.map(({ name, measures }) => [name, ...measuresCells(measures)]),
    );
    for (const side of sides) output.line(sideText(side));
    for (const line of comparisonLines(report)) output.line(line);
  }
  for (const { name, measures } of sides) {
    const points = calibrationPoints(measures);
    const known = points
      .flatMap(({ score, low, high }) => [score, low, high])
      .filter((value) => Number.isFinite(value));
    const span = measures.kind === 'chance' ? ([0, 1] as const) : ([Math.min(...known), Math.max(...known)] as const);
    output.line();
    output.line(`calibration of ${name}: | the score, ● what came of it, ─ its interval, ◆ both`);
    for (const line of calibrationLines(points, span)) output.line(line);
  }
  for (const { name, measures, segments } of sides)
    for (const { by, parts } of segments) {
      output.line();
      output.line(`${name} by ${by}`);
      output.table(
        [by, ...measuresHead(measures.kind)],
        parts.map((part) => [partText(part), ...measuresCells(part.measures)]),
      );
    }
  if (offPolicy !== null) {
    output.line();
    output.line(`what ${offPolicy.candidate} would have brought`);
    for (const [word, text] of offPolicyLines(offPolicy)) output.line(`  ${word.padEnd(15)} ${text}`);
  }
  for (const note of notes) output.line(`note: ${note}`);
}
