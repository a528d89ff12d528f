import type { Distribution } from '../engine/insight/distribution.ts';
import type { TryReport } from '../engine/insight/try-report.ts';
import { coverage, headLines, numberShower, spreadText, strengthText } from '../engine/insight/try-words.ts';
import { percent } from '../engine/values/shown-number.ts';
import type { Output } from './output.ts';

const BLOCKS = ' ▁▂▃▄▅▆▇█';
/** Characters of a plot. */
const WIDTH = 12;

/** What was read, then the features, then what to know of the numbers. */
export function printTry(output: Output, report: TryReport): void {
  output.line(report.subject);
  for (const [word, text] of headLines(report)) output.line(`  ${word.padEnd(6)} ${text}`);
  const hasLabel = report.label !== null;
  output.table(
    [
      'feature',
      'type',
      'has value',
      'values: 5 % · middle · 95 %',
      'plot',
      ...(hasLabel ? ['tells of the label'] : []),
    ],
    report.features.map((feature) => [
      feature.column,
      feature.type,
      percent(coverage(feature)),
      spreadText(feature.distribution, numberShower(feature.type)),
      smallPlot(feature.distribution),
      ...(feature.strength === null ? [] : [strengthText(feature.strength)]),
    ]),
  );
  for (const note of report.notes) output.line(`note: ${note}`);
}

/** A line of blocks: of numbers a histogram, of categories the shares of the most frequent. */
export function smallPlot(distribution: Distribution | null): string {
  if (distribution === null || distribution.kind === 'hidden') return '';
  if (distribution.kind !== 'number') return blocks(distribution.top.map(({ rows }) => rows));
  const counts = distribution.bins.map(({ cells }) => cells);
  if (counts.length <= WIDTH) return blocks(counts);
  const each = Math.ceil(counts.length / WIDTH);
  const parts = Array.from({ length: Math.ceil(counts.length / each) }, (_, part) =>
    counts.slice(part * each, (part + 1) * each).reduce((sum, count) => sum + count, 0),
  );
  return blocks(parts);
}

function blocks(counts: readonly number[]): string {
  const most = Math.max(...counts);
  // What is there at all is seen.
  return counts.map((count) => BLOCKS[count === 0 ? 0 : Math.max(1, Math.round((8 * count) / most))]).join('');
}
