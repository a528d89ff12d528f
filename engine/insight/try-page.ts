import { featurePlots } from './try-plots.ts';
import type { TriedFeature, TriedLabel, TryReport } from './try-report.ts';
import { coverage, headLines, numberShower, percent, spreadText, strengthText } from './try-words.ts';

const STYLE = `
body { font: 14px/1.45 system-ui, sans-serif; color: #111827; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1rem; margin: 0; font-family: ui-monospace, monospace; }
table { border-collapse: collapse; } td, th { text-align: left; padding: .15rem .9rem .15rem 0; vertical-align: top; font-weight: normal; }
th { color: #6b7280; } section { border-top: 1px solid #e5e7eb; padding: .8rem 0; } .plots { display: flex; flex-wrap: wrap; gap: 1rem; }
p, li { margin: .2rem 0; } .dim { color: #6b7280; }
@media print { section { break-inside: avoid; } }`;

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
  const head = headLines(report).map(([word, text]) => `<tr><th>${escaped(word)}</th><td>${escaped(text)}</td></tr>`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escaped(report.subject)} · millrace try</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${escaped(report.subject)}</h1>
<table>${head.join('')}</table>
<ul>${report.notes.map((note) => `<li>${escaped(note)}</li>`).join('')}</ul>
${sections.join('\n')}
</body>
</html>
`;
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

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
