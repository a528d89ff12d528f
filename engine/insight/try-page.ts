import { escaped, htmlPage } from '../training/html-page.ts';
import { percent } from '../values/shown-number.ts';
import { featurePlots } from './try-plots.ts';
import type { TriedFeature, TriedLabel, TryReport } from './try-report.ts';
import { coverage, headLines, numberShower, spreadText, strengthText } from './try-words.ts';

/** Values named in the page; the terminal has fewer. */
const NAMED = 8;

/**
 * The report as one page of HTML that needs nothing beside itself: no script, no style and no picture of elsewhere.
 *
 * @throws MillraceError `package-missing` without vega
 */
export async function tryPage(report: TryReport): Promise<string> {
  const sections: string[] = [];
  for (const feature of report.features) sections.push(await sectionOf(feature, report.label));
  const { subject, notes } = report;
  return htmlPage({ title: `${subject} · millrace try`, heading: subject, lines: headLines(report), notes, sections });
}

async function sectionOf(feature: TriedFeature, label: TriedLabel | null): Promise<string> {
  const { column, type, distribution, strength, absence, errors } = feature;
  const lines = [
    `${type}; ${percent(coverage(feature))} of ${feature.rows.toLocaleString('en-US')} rows have a value`,
    ...Object.entries(errors).map(([code, rows]) => `${rows.toLocaleString('en-US')} rows: ${code}`),
    distribution?.kind === 'number' ? numberText(feature) : spreadText(distribution, numberShower(type), NAMED),
    ...(strength === null ? [] : [strengthText(strength)]),
    ...(absence === null || label?.positive == null
      ? []
      : [
          `${label.positive.value} is ${percent(absence.without.hits / absence.without.of)} of rows without a value, ${percent(absence.with.hits / absence.with.of)} of those with one`,
        ]),
  ].filter((line) => line !== '');
  const plots = await featurePlots(feature, label);
  return `<section>
<h2>${escaped(column)}</h2>
${lines.map((line, index) => `<p${index === 0 ? ' class="dim"' : ''}>${escaped(line)}</p>`).join('\n')}
<div class="plots">${plots.map((svg) => `<div>${svg}</div>`).join('')}</div>
</section>`;
}

function numberText({ distribution, type }: TriedFeature): string {
  if (distribution?.kind !== 'number') return '';
  const show = numberShower(type);
  const { quantiles, mean, zeros } = distribution;
  const [p05, p50, p95] = [quantiles.p05, quantiles.p50, quantiles.p95].map(show);
  const zero = type === 'timestamp' || type === 'date' || zeros === 0 ? '' : `, ${percent(zeros)} are 0`;
  return `from ${show(quantiles.min)} to ${show(quantiles.max)}; 5 % up to ${p05}, half up to ${p50}, 95 % up to ${p95}; mean ${show(mean)}${zero}`;
}
