import type { Output } from '../../cli/output.ts';
import { measuresCells, measuresHead } from '../../engine/evaluation/evaluation-words.ts';
import type { LoopFigures } from './loop-figures.ts';
import type { LoopCourse, LoopEvaluation } from './loop-report.ts';
import { figureLines } from './loop-words.ts';

/** The tables at the end. */
export function printLoop(
  output: Output,
  figures: Omit<LoopFigures, 'seconds'>,
  { versions }: LoopCourse,
  { both, broken }: LoopEvaluation,
): void {
  const names = new Map([
    [`late@${versions.a}`, 'A'],
    [`late@${versions.b}`, 'B'],
    [`late@${versions.c}`, 'C, broken'],
  ]);
  for (const report of [both, broken]) {
    const [first] = report?.sides ?? [];
    if (report === null || first === undefined) continue;
    output.line(`${report.from.slice(0, 10)} to ${report.to.slice(0, 10)}`);
    output.table(
      ['model', ...measuresHead(first.measures.kind)],
      report.sides.map((side) => [names.get(side.name) ?? side.name, ...measuresCells(side.measures)]),
    );
  }
  output.table(
    ['what', 'figure'],
    figureLines(figures).map(([word, text]) => [word, text]),
  );
}
