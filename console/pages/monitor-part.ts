import { html } from 'hono/html';
import type { MonitorBucket } from '../../engine/monitors/monitor-bucket.ts';
import { bandPlot } from '../markup/band-plot.ts';
import { boxPlot } from '../markup/box-plot.ts';
import { histogramPlot, type ShareBar, shareBars } from '../markup/histogram-plot.ts';
import { linePlot } from '../markup/line-plot.ts';
import { part, readAt, table } from '../markup/parts.ts';
import { command } from '../markup/shell-word.ts';
import { shortened, shownCount, shownFigure, shownShare, shownTime } from '../markup/shown.ts';
import type { Markup } from '../page.ts';
import type { ConsoleLook } from '../console-look.ts';
import { histogramOf, quantilesOf } from '../read/distributions.ts';
import { asOne, driftOf } from '../read/drift.ts';
import { dayAndWeekBefore, type MonitorSubject, monitorSeries } from '../read/monitor-series.ts';
import { coverageOf, meanOf, segmentFigures, segmentName } from '../read/value-figures.ts';

const BARS = 30;
const SEGMENTS = 20;
const TEXTS = 15;
const TEXT_CHARS = 60;
/** Nine of ten values, half of them, and the median. */
export const BAND_SHARES: readonly number[] = [0.05, 0.25, 0.5, 0.75, 0.95];

/** How the values of a field or a feature were, hour by hour and by segment, as the monitors have it. */
export async function valuesPart(look: ConsoleLook, subject: MonitorSubject, isHushed: boolean): Promise<Markup> {
  const { deps, nowUs } = look;
  const series = await monitorSeries(deps.pool, subject);
  const { object, field } = subject;
  const heading = `Values of ${field ?? object} over time`;
  const same = readAt(nowUs, showCommand(subject));
  if (series === null || series.whole.length === 0)
    return part('values', heading, html`<p class="dim">Nothing of it is monitored yet.</p>`, same);
  const { whole } = series;
  const newest = whole.at(-1)!;
  const rows = segmentFigures(series.segments).slice(0, SEGMENTS);
  const named = (segment: string): string => (isHushed ? 'hidden: sensitive' : segment);
  return part(
    'values',
    heading,
    timePlots(whole),
    distributionPart(whole, isHushed),
    isHushed ? '' : boxPlot('By segment over the newest two days, the most values first', boxesOf(series.segments)),
    table(
      'By segment over the newest two days, the least covered first',
      ['segment', { n: 'values' }, { n: 'coverage' }, { n: 'mean' }],
      rows.map(({ segment, count, coverage, mean }) => [
        shortened(named(segment), TEXT_CHARS),
        shownCount(count),
        shownShare(coverage),
        shownFigure(mean),
      ]),
    ),
    html`<p class="note">the newest bucket begins ${shownTime(newest.beginMs * 1000)} and is of one ${newest.grain}</p>`,
    same,
  );
}

/** The command that prints the buckets of a subject. */
export function showCommand({ place, object, field }: MonitorSubject): string {
  return command(
    'monitor',
    'show',
    object,
    ...(field === null ? [] : ['--field', field]),
    ...(place === 'source' ? [] : ['--place', place]),
  );
}

function timePlots(whole: readonly MonitorBucket[]): Markup {
  const newest = whole.at(-1)!;
  const points = (value: (bucket: MonitorBucket) => number | null) =>
    whole.map((bucket) => ({ us: bucket.beginMs * 1000, value: value(bucket) }));
  const bands = whole.map(({ beginMs, values }) => ({
    us: beginMs * 1000,
    quantiles: values?.bins == null ? null : quantilesOf(values.bins, BAND_SHARES),
  }));
  return html`<div class="plots">${linePlot('coverage', points(coverageOf), { shown: shownShare })}${linePlot(
    'values',
    points(({ count }) => count),
    { bars: true, shown: shownCount },
  )}${newest.values?.numbers == null ? '' : linePlot('mean', points(meanOf))}${
    bands.every(({ quantiles }) => quantiles === null)
      ? ''
      : bandPlot('nine of ten values, half of them, the median', bands)
  }${
    newest.values?.distinct == null
      ? ''
      : linePlot(
          'distinct, about',
          points(({ values }) => values?.distinct ?? null),
        )
  }</div>`;
}

/** The newest day, beside the same hours a week before where these are known. */
function distributionPart(whole: readonly MonitorBucket[], isHushed: boolean): Markup {
  const { day, before } = dayAndWeekBefore(whole);
  const [now, past] = [asOne(day)?.values, asOne(before)?.values];
  const beforeIs = before.length === 0 ? null : 'the same hours a week before';
  const histogram = now?.bins == null ? null : histogramOf(now.bins, past?.bins ?? null, BARS);
  const top = now?.top ?? null;
  if (histogram === null && top === null) return html``;
  const drift = driftOf(day, before);
  const title = 'Values of the newest day';
  const texts = top === null ? [] : textShares(top, past?.top ?? null);
  return html`<div class="plots">${histogram === null ? '' : histogramPlot(title, histogram, beforeIs)}${
    texts.length === 0 || isHushed ? '' : shareBars('Most frequent of the newest day', texts, beforeIs)
  }</div>${texts.length > 0 && isHushed ? html`<p class="dim">Its most frequent values are hidden: sensitive.</p>` : ''}${
    drift.distance === null
      ? ''
      : html`<p>From the same hours a week before it is ${shownFigure(drift.distance)} apart by Jensen-Shannon, ${shownFigure(drift.psi)} by PSI.</p>`
  }`;
}

type Texts = { readonly counts: ReadonlyMap<string, number>; readonly others: number };

/** The most frequent texts as shares of all that are not null. */
export function textShares(top: Texts, before: Texts | null): ShareBar[] {
  const all = (texts: Texts): number => [...texts.counts].reduce((sum, [, count]) => sum + count, texts.others);
  const [total, past] = [all(top), before === null ? 0 : all(before)];
  if (total === 0) return [];
  return [...top.counts]
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, TEXTS)
    .map(([name, count]) => ({
      name: shortened(name, TEXT_CHARS),
      share: count / total,
      before: before === null || past === 0 ? null : (before.counts.get(name) ?? 0) / past,
    }));
}

function boxesOf(segments: readonly MonitorBucket[]) {
  const bySegment = Map.groupBy(segments, segmentName);
  return [...bySegment]
    .map(([name, buckets]) => ({ name, all: asOne(buckets)! }))
    .toSorted((a, b) => b.all.count - a.all.count)
    .flatMap(({ name, all }) => {
      const quantiles = all.values?.bins == null ? null : quantilesOf(all.values.bins, BAND_SHARES);
      return quantiles === null ? [] : [{ name, quantiles }];
    })
    .slice(0, SEGMENTS);
}
