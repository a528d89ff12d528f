import { html } from 'hono/html';
import type { BaselineSummary } from '../../engine/monitors/baseline.ts';
import type { MonitorBucket } from '../../engine/monitors/monitor-bucket.ts';
import type { ConsoleLook } from '../console-look.ts';
import { histogramPlot, shareBars } from '../markup/histogram-plot.ts';
import { link, part, pathTo, readAt, table } from '../markup/parts.ts';
import { shownCount, shownFigure, shownShare } from '../markup/shown.ts';
import type { Markup } from '../page.ts';
import { histogramOf } from '../read/distributions.ts';
import { asOne, driftOf } from '../read/drift.ts';
import type { CatalogView } from '../read/live-catalog.ts';
import { type ServedBaseline, servedBaselines } from '../read/served-baseline.ts';
import { coverageOf, meanOf } from '../read/value-figures.ts';
import { showCommand, textShares } from './monitor-part.ts';

const BARS = 30;

/** What models were trained on, beside what their services answered with. */
export async function baselinePart(
  look: ConsoleLook,
  view: CatalogView,
  feature: string,
  isHushed: boolean,
): Promise<Markup> {
  const { shown, leftOut } = await servedBaselines(look, view, feature);
  if (shown.length === 0) return html``;
  return part(
    'trained-on',
    'In training sets, and as it was served',
    ...shown.map((one) => oneBaseline(look, one, isHushed)),
    leftOut === 0
      ? ''
      : html`<p class="note">${leftOut} more models read this view: their pages have their training sets.</p>`,
  );
}

function oneBaseline(look: ConsoleLook, one: ServedBaseline, isHushed: boolean): Markup {
  const { model, version, isChampion, service, field, baseline, served } = one;
  const of = html`${link(`${pathTo('models', model)}?version=${version}`, `${model}, version ${version}`)}${isChampion ? ', the champion' : ', the newest'}`;
  if (baseline === null)
    return html`<p>${of}: <span class="warn">it was trained on another feature of this name than is served</span>; they are not compared.</p>`;
  const before = bucketOfSet(field, service, baseline);
  const now = asOne(served);
  const drift = driftOf(served, [before]);
  const rows = [
    ['training set', baseline.count, coverageOf(before), meanOf(before)] as const,
    ...(now === null ? [] : [['served, the newest day', now.count, coverageOf(now), meanOf(now)] as const]),
  ];
  return html`<p>${of}, by service ${link(pathTo('services', service), service)}:</p>
${now === null ? html`<p class="dim">Nothing that the service answered is monitored yet.</p>` : ''}
<div class="plots">${setPlot(now ?? before, now === null ? null : before, isHushed)}</div>
${table(
  `${field} where ${model} was trained, and where it serves`,
  ['', { n: 'values' }, { n: 'coverage' }, { n: 'mean' }],
  rows.map(([what, count, coverage, mean]) => [what, shownCount(count), shownShare(coverage), shownFigure(mean)]),
)}
${drift.distance === null ? '' : html`<p>They are ${shownFigure(drift.distance)} apart by Jensen-Shannon, ${shownFigure(drift.psi)} by PSI.</p>`}
${readAt(look.nowUs, showCommand({ place: 'served', object: service, field }))}`;
}

function setPlot(now: MonitorBucket, before: MonitorBucket | null, isHushed: boolean): Markup {
  const title = before === null ? 'Values of the training set' : 'Values as served, the newest day';
  const beforeIs = before === null ? null : 'the training set';
  const histogram = now.values?.bins == null ? null : histogramOf(now.values.bins, before?.values?.bins ?? null, BARS);
  if (histogram !== null) return histogramPlot(title, histogram, beforeIs);
  if (now.values?.top == null || isHushed) return html``;
  return shareBars(title, textShares(now.values.top, before?.values?.top ?? null), beforeIs);
}

/** A training set as a bucket: rows are its values. */
function bucketOfSet(field: string, object: string, { count, values }: BaselineSummary): MonitorBucket {
  return { place: 'served', object, field, segment: null, grain: 'day', beginMs: 0, count, values, records: null };
}
