import type { TellableInterval } from '../rollouts/judgement.ts';
import { escaped, htmlPage, htmlTable } from '../training/html-page.ts';
import { type Ranged, rangePlot } from './evaluation-plots.ts';
import type { RolloutReport } from './rollout-report.ts';
import {
  COURSE_HEAD,
  courseCells,
  intervalWords,
  NOVELTY_HEAD,
  noveltyCells,
  rolloutLines,
  STAGES_HEAD,
  stageCells,
} from './rollout-words.ts';

/**
 * The report of a rollout as one page of HTML that needs nothing beside itself.
 *
 * @throws MillraceError `package-missing` without vega
 */
export async function rolloutPage(report: RolloutReport): Promise<string> {
  const { rollout, judgement, novelty, rule } = report;
  const sections = [section('course', htmlTable(COURSE_HEAD, courseCells(report)))];
  if (judgement !== null) {
    const effects = judgement.stages.map(({ stage, difference }) => ranged(`stage ${stage + 1}`, difference));
    const plotted = [...effects, ranged('all', judgement.combined)].flat();
    sections.push(section('stages', htmlTable(STAGES_HEAD, stageCells(judgement.stages)), await plotOf(plotted, rule)));
    if (judgement.segments.length > 0) {
      const rows = judgement.segments.map((one) => [
        one.segment,
        String(one.candidateUnits),
        String(one.againstUnits),
        intervalWords(one.difference),
      ]);
      const bySegment = judgement.segments.flatMap(({ segment, difference }) => ranged(segment, difference));
      const table = htmlTable(['segment', 'candidate', 'against', 'difference'], rows);
      sections.push(
        section(
          'segments; their intervals share alpha among 20, or as many as there are',
          table,
          await plotOf(bySegment, rule),
        ),
      );
    }
  }
  if (novelty.length > 0) {
    const byDay = novelty.flatMap(({ day, difference }) => ranged(`day ${day}`, difference));
    const heading = 'by days since a unit first met its variant, each read by itself';
    sections.push(section(heading, htmlTable(NOVELTY_HEAD, noveltyCells(novelty)), await plotOf(byDay, rule)));
  }
  return htmlPage({
    title: `${rollout.model} · millrace rollout`,
    heading: `rollout of ${rollout.model}`,
    lines: rolloutLines(report),
    notes: [],
    sections,
  });
}

/** What is open to a side is left out of a plot. */
function ranged(name: string, interval: TellableInterval | null): Ranged[] {
  if (interval === null || interval.low === null || interval.high === null) return [];
  return [{ name, value: interval.value, low: interval.low, high: interval.high }];
}

async function plotOf(rows: readonly Ranged[], rule: RolloutReport['rule']): Promise<string> {
  if (rows.length === 0) return '';
  return await rangePlot(rows, `candidate less the other, ${rule?.metric.measure ?? 'metric'}`, 0);
}

function section(heading: string, table: string, plot = ''): string {
  const drawn = plot === '' ? '' : `<div class="plots"><div>${plot}</div></div>`;
  return `<section>\n<h2>${escaped(heading)}</h2>\n${table}\n${drawn}\n</section>`;
}
