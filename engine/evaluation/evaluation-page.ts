import { escaped, htmlPage, htmlTable } from '../training/html-page.ts';
import { calibrationPlot, offPolicyPlot, segmentPlot } from './evaluation-plots.ts';
import type { EvaluationReport, OffPolicyReport, SideReport } from './evaluation-report.ts';
import {
  comparisonLines,
  evaluationLines,
  measuresCells,
  measuresHead,
  offPolicyLines,
  partText,
  sideText,
} from './evaluation-words.ts';

/**
 * The report as one page of HTML that needs nothing beside itself.
 *
 * @throws MillraceError `package-missing` without vega
 */
export async function evaluationPage(report: EvaluationReport): Promise<string> {
  const { sides, offPolicy, notes } = report;
  const sections: string[] = [];
  for (const side of sides) sections.push(await sideSection(side));
  const differences = comparisonLines(report);
  if (differences.length > 0) sections.push(section('the two', paragraphs(differences)));
  if (offPolicy !== null) sections.push(await offPolicySection(offPolicy));
  const heading = [
    ...sides.map(({ name }) => name),
    ...(sides.length === 0 && offPolicy !== null ? [offPolicy.candidate] : []),
  ];
  return htmlPage({
    title: `${heading.join(', ')} · millrace evaluate`,
    heading: heading.join(' against '),
    lines: evaluationLines(report),
    notes,
    sections,
  });
}

async function sideSection(side: SideReport): Promise<string> {
  const { name, measures, segments } = side;
  const head = measuresHead(measures.kind);
  const parts = [
    paragraphs([sideText(side)]),
    htmlTable(head, [measuresCells(measures)]),
    plots([await calibrationPlot(measures)]),
  ];
  for (const segment of segments) {
    const rows = segment.parts.map((part) => [partText(part), ...measuresCells(part.measures)]);
    parts.push(htmlTable([segment.by, ...head], rows), plots([await segmentPlot(segment, measures.kind)]));
  }
  return section(name, parts.join('\n'));
}

async function offPolicySection(report: OffPolicyReport): Promise<string> {
  const lines = htmlTable(['', ''], offPolicyLines(report));
  return section(`what ${report.candidate} would have brought`, `${lines}\n${plots([await offPolicyPlot(report)])}`);
}

function section(heading: string, body: string): string {
  return `<section>\n<h2>${escaped(heading)}</h2>\n${body}\n</section>`;
}

function paragraphs(lines: readonly string[]): string {
  return lines.map((line) => `<p>${escaped(line)}</p>`).join('\n');
}

function plots(svgs: readonly string[]): string {
  return `<div class="plots">${svgs.map((svg) => `<div>${svg}</div>`).join('')}</div>`;
}
