import { html } from 'hono/html';
import { sensitiveParts } from '../../engine/define/sensitive-view.ts';
import { type ConsoleLook, viewIn } from '../console-look.ts';
import { histogramPlot, shareBars } from '../markup/histogram-plot.ts';
import { link, part, pathTo, readAt, type Shown, table } from '../markup/parts.ts';
import { command } from '../markup/shell-word.ts';
import { shortened, shownCount, shownFigure, shownShare, shownTime } from '../markup/shown.ts';
import { smallPlot } from '../markup/small-plot.ts';
import type { ConsolePage, Markup } from '../page.ts';
import { histogramOf } from '../read/distributions.ts';
import { asOne } from '../read/drift.ts';
import { coverageOf, segmentName } from '../read/value-figures.ts';
import { type QualityRow, viewQuality } from '../read/view-quality.ts';
import { textShares } from './monitor-part.ts';

/** So many features and segments each are drawn, so many features are listed, and of so many the distribution is drawn. */
export const DRAWN = 24;
const LISTED = 100;
const DISTRIBUTIONS = 6;
const BARS = 24;
const SEGMENT_CHARS = 40;
const BEFORE = 'the same hours a week before';

/** Coverage and drift of a view by feature and segment, the worst first. */
export async function qualityPage(look: ConsoleLook, name: string): Promise<ConsolePage> {
  const { layout } = viewIn(look, name);
  const quality = await viewQuality(look.deps.pool, name, layout.features.length, DRAWN);
  const title = `Coverage and drift of ${name}`;
  const path = pathTo('views', name, 'quality');
  const same = readAt(look.nowUs, command('monitor', 'show', name, '--place', 'store', '--field', 'FEATURE'));
  if (quality === null) return { title, path, body: html`<p class="dim">Nothing of it is monitored yet.</p>${same}` };
  const { features, segments, newestMs, everyHours } = quality;
  const compiled = look.deps.definitions.views.get(name);
  const isHushed = compiled === undefined || sensitiveParts(compiled).any;
  const isFeature = new Set(layout.features.map((one) => one.name));
  const named = (field: string): Shown =>
    isFeature.has(field) ? link(pathTo('views', name, 'features', field), field) : field;
  const body = html`<p>Of ${link(pathTo('views', name), name)}: the 24 hours up to that of ${shownTime(newestMs * 1000)}, against ${BEFORE}, where these are known. The worst first: by the points of coverage that changed, in units of 5, or the Jensen-Shannon distance, in units of 0.05, whichever is more. PSI is shown, and nothing goes by it: of few values it is large by chance.</p>
<p class="note">At most ${DRAWN} features and ${DRAWN} segments are drawn, ${LISTED} features listed; segments have 30 values at least${everyHours === 1 ? '' : `, and which are the worst is told by every ${everyHours}th hour`}.</p>
${part(
  'coverage',
  'Features',
  html`<div class="small">${features.slice(0, DRAWN).map((row) => coveragePlot(named(row.field), row))}</div>`,
  table(
    `${Math.min(LISTED, features.length)} of ${features.length} features`,
    [
      'feature',
      { n: 'values' },
      { n: 'coverage' },
      { n: 'was' },
      { n: 'mean' },
      { n: 'was' },
      { n: 'Jensen-Shannon' },
      { n: 'PSI' },
    ],
    features.slice(0, LISTED).map((row) => [named(row.field), ...figureCells(row)]),
  ),
)}
${part('moved', 'Distributions, the worst', html`<div class="plots">${features.slice(0, DISTRIBUTIONS).map((row) => distributionPlot(row, isHushed))}</div>`)}
${part(
  'segments',
  'Segments',
  html`<div class="small">${segments.map((row) => coveragePlot(html`${named(row.field)} where ${segmentText(row, isHushed)}`, row))}</div>`,
  table(
    'Features by segment, the worst of them',
    [
      'feature',
      'segment',
      { n: 'values' },
      { n: 'coverage' },
      { n: 'was' },
      { n: 'mean' },
      { n: 'was' },
      { n: 'Jensen-Shannon' },
      { n: 'PSI' },
    ],
    segments.map((row) => [named(row.field), segmentText(row, isHushed), ...figureCells(row)]),
  ),
)}
${same}`;
  return { title, path, body };
}

function segmentText(row: QualityRow, isHushed: boolean): string {
  return isHushed ? 'hidden: sensitive' : shortened(segmentName(row), SEGMENT_CHARS);
}

function coveragePlot(title: Shown, { drift, day, before }: QualityRow): Markup {
  const points = (buckets: QualityRow['day']) =>
    buckets.map((bucket) => ({ us: bucket.beginMs * 1000, value: coverageOf(bucket) }));
  const moved = drift.distance === null ? '' : `, moved ${shownFigure(drift.distance)}`;
  const was = drift.coverageBefore === null ? '' : `, was ${shownShare(drift.coverageBefore)}`;
  return smallPlot(title, points(day), points(before), `coverage ${shownShare(drift.coverage)}${was}${moved}`);
}

function distributionPlot({ field, day, before }: QualityRow, isHushed: boolean): Markup {
  const [now, past] = [asOne(day)?.values, asOne(before)?.values];
  const beforeIs = before.length === 0 ? null : BEFORE;
  const histogram = now?.bins == null ? null : histogramOf(now.bins, past?.bins ?? null, BARS);
  if (histogram !== null) return histogramPlot(field, histogram, beforeIs);
  if (now?.top == null || isHushed) return html``;
  return shareBars(field, textShares(now.top, past?.top ?? null).slice(0, DISTRIBUTIONS), beforeIs);
}

function figureCells({ drift }: QualityRow): readonly Shown[] {
  const lost = (drift.coverageBefore ?? 0) - (drift.coverage ?? 0);
  const coverage = shownShare(drift.coverage);
  return [
    shownCount(drift.count),
    lost >= 0.05 ? html`<span class="bad">${coverage}</span>` : coverage,
    shownShare(drift.coverageBefore),
    shownFigure(drift.mean),
    shownFigure(drift.meanBefore),
    shownFigure(drift.distance),
    shownFigure(drift.psi),
  ];
}
