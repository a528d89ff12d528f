import { measuresCells, measuresHead, offPolicyLines } from '../../engine/evaluation/evaluation-words.ts';
import { calibrationPlot, offPolicyPlot } from '../../engine/evaluation/evaluation-plots.ts';
import type { EvaluationReport, SideReport } from '../../engine/evaluation/evaluation-report.ts';
import { escaped, htmlPage, htmlTable } from '../../engine/training/html-page.ts';
import { svgOf } from '../../engine/training/share-bars.ts';
import type { LoopFigures } from './loop-figures.ts';
import type { LoopCourse, LoopEvaluation } from './loop-report.ts';
import { figureLines } from './loop-words.ts';
import type { RolloutCourse } from './rollout-course.ts';

const WIDTH = 640;
const HEIGHT = 180;

/** What came of it all, as one page of HTML that needs nothing beside itself. */
export async function loopPage(
  figures: Omit<LoopFigures, 'seconds'>,
  { promoted, returned, versions }: LoopCourse,
  { both, shared, broken }: LoopEvaluation,
): Promise<string> {
  const names = namesOf(versions);
  const sections = [
    await sidesSection('A and B on the same flights, while B decided in shadow', both, names),
    await courseSection('The rollout of B', promoted),
    ...(shared === null ? [] : [await offPolicySection('What B would have brought, and what it brought', shared)]),
    ...(returned === null ? [] : [await courseSection('The rollout of C, whose features are shuffled', returned)]),
    ...(broken === null
      ? []
      : [
          await sidesSection('C and what it was tried against, on the same days', broken, names),
          await offPolicySection('What C would have brought, and what it brought', broken),
        ]),
  ];
  return htmlPage({
    title: 'Will this flight be late? · millrace demo:loop',
    heading: 'Will this flight be late? June 2001',
    lines: figureLines(figures),
    notes: [
      'Intervals are of 95 %; those of the courses hold however often they are looked at.',
      'The base rate is that of January to April.',
      'Rewards are costs: a warning 1, a late flight nobody was warned of 4.',
    ],
    sections,
  });
}

/** `late@1` to what it is called here. */
function namesOf({ a, b, c }: LoopCourse['versions']): (side: SideReport) => string {
  const names = new Map([a, b, c].map((version, index) => [`late@${version}`, `${'ABC'[index]} (version ${version})`]));
  return ({ name }) => names.get(name) ?? name;
}

async function sidesSection(
  heading: string,
  { sides }: EvaluationReport,
  nameOf: (side: SideReport) => string,
): Promise<string> {
  const [first] = sides;
  if (first === undefined) return section(heading, '<p>Nothing was scored.</p>');
  const rows = sides.map((side) => [nameOf(side), ...measuresCells(side.measures)]);
  const plots: string[] = [];
  for (const side of sides)
    plots.push(`<div><p>${escaped(nameOf(side))}</p>${await calibrationPlot(side.measures)}</div>`);
  return section(
    heading,
    `${htmlTable(['', ...measuresHead(first.measures.kind)], rows)}<div class="plots">${plots.join('')}</div>`,
  );
}

async function offPolicySection(heading: string, { offPolicy }: EvaluationReport): Promise<string> {
  if (offPolicy === null) return section(heading, '<p>Nothing was estimated.</p>');
  const lines = htmlTable(['', ''], offPolicyLines(offPolicy));
  return section(heading, `${lines}<div class="plots"><div>${await offPolicyPlot(offPolicy)}</div></div>`);
}

async function courseSection(heading: string, course: RolloutCourse): Promise<string> {
  const stages = course.stages.map(({ stage, share, fromUs }) => [
    String(stage + 1),
    share === 0 ? 'shadow' : `${Math.round(share * 100)} %`,
    minute(fromUs),
  ]);
  stages.push([course.end, '', course.endedUs === null ? '' : minute(course.endedUs)]);
  return section(
    heading,
    `<p>${escaped(course.why)}</p>${htmlTable(['stage', 'share', 'since'], stages)}<div class="plots"><div>${await coursePlot(course)}</div></div>`,
  );
}

/** The difference in log loss with its confidence sequence, as it was seen. */
async function coursePlot({ points }: RolloutCourse): Promise<string> {
  const known = points.flatMap(({ atUs, difference, low, high }) =>
    difference === null || low === null || high === null
      ? []
      : [{ at: new Date(atUs / 1000).toISOString(), difference, low, high }],
  );
  if (known.length === 0) return '<p>It ended before any label was final.</p>';
  const x = { field: 'at', type: 'temporal' as const, title: null, scale: { type: 'utc' as const } };
  const y = { field: 'difference', type: 'quantitative' as const, title: 'log loss of the candidate less the other' };
  return await svgOf({
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    background: 'white',
    padding: 4,
    width: WIDTH,
    height: HEIGHT,
    layer: [
      {
        data: { values: [{ zero: 0 }] },
        mark: { type: 'rule', color: '#9ca3af', strokeDash: [4, 4] },
        encoding: { y: { datum: 0 } },
      },
      {
        data: { values: known },
        mark: { type: 'area', color: '#1d4ed8', opacity: 0.2 },
        encoding: { x, y: { ...y, field: 'low' }, y2: { field: 'high' } },
      },
      { data: { values: known }, mark: { type: 'line', color: '#1d4ed8' }, encoding: { x, y } },
    ],
  });
}

function minute(us: number): string {
  return new Date(us / 1000).toISOString().slice(0, 16).replace('T', ' ');
}

function section(heading: string, body: string): string {
  return `<section>\n<h2>${escaped(heading)}</h2>\n${body}\n</section>`;
}
