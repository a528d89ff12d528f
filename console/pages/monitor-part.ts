import { html } from 'hono/html';
import type { MonitorBucket } from '../../engine/monitors/monitor-bucket.ts';
import { linePlot } from '../markup/line-plot.ts';
import { part, readAt, table } from '../markup/parts.ts';
import { shortened, shownCount, shownFigure, shownShare, shownSpan, shownTime } from '../markup/shown.ts';
import type { Markup } from '../page.ts';
import type { ConsoleLook } from '../console-look.ts';
import { type MonitorSubject, monitorSeries } from '../read/monitor-series.ts';
import { coverageOf, distributionOf, meanOf, segmentFigures, topTexts } from '../read/value-figures.ts';

const BARS = 30;
const SEGMENTS = 20;
const TEXTS = 15;
const TEXT_CHARS = 60;
/** Distributions are of the newest day: hours, or one bucket that is a day. */
const RECENT = 24;

/** How the values of a field or a feature were, hour by hour and by segment, as the monitors have it. */
export async function valuesPart(look: ConsoleLook, subject: MonitorSubject, isHushed: boolean): Promise<Markup> {
  const { deps, nowUs } = look;
  const series = await monitorSeries(deps.pool, subject);
  const { object, field } = subject;
  const heading = `Values of ${field ?? object} over time`;
  if (series === null || series.whole.length === 0)
    return part('values', heading, html`<p class="dim">Nothing of it is monitored yet.</p>`, readAt(nowUs, null));
  const points = (value: (bucket: MonitorBucket) => number | null) =>
    series.whole.map((bucket) => ({ us: bucket.beginMs * 1000, value: value(bucket) }));
  const recent = series.whole.slice(-RECENT).map(({ values }) => values);
  const bars = distributionOf(recent, BARS);
  const newest = series.whole.at(-1)!;
  const texts = topTexts(recent, TEXTS);
  const rows = segmentFigures(series.segments).slice(0, SEGMENTS);
  return part(
    'values',
    heading,
    html`<div class="plots">${linePlot('coverage', points(coverageOf), { shown: shownShare })}${linePlot(
      'values',
      points(({ count }) => count),
      { bars: true, shown: shownCount },
    )}${newest.values?.numbers == null ? '' : linePlot('mean', points(meanOf))}${
      newest.values?.distinct == null
        ? ''
        : linePlot(
            'distinct, about',
            points(({ values }) => values?.distinct ?? null),
          )
    }</div>`,
    bars.length === 0
      ? ''
      : table(
          'Distribution over the newest day',
          ['up to about', { n: 'values' }],
          bars.map(({ value, count }) => [shownFigure(value), shownCount(count)]),
        ),
    texts.length === 0
      ? ''
      : table(
          'Most frequent over the newest day',
          ['value', { n: 'times' }],
          texts.map(([text, count]) => [
            isHushed ? 'hidden: sensitive' : shortened(text, TEXT_CHARS),
            shownCount(count),
          ]),
        ),
    table(
      'By segment over the newest two days, the least covered first',
      ['segment', { n: 'values' }, { n: 'coverage' }, { n: 'mean' }],
      rows.map(({ segment, count, coverage, mean }) => [
        isHushed ? 'hidden: sensitive' : shortened(segment, TEXT_CHARS),
        shownCount(count),
        shownShare(coverage),
        shownFigure(mean),
      ]),
    ),
    html`<p class="note">the newest bucket begins ${shownTime(newest.beginMs * 1000)} and is of one ${newest.grain}</p>`,
    readAt(nowUs, null),
  );
}

/** How the records of a source were, hour by hour. */
export async function recordsPart(look: ConsoleLook, source: string): Promise<Markup> {
  const { deps, nowUs } = look;
  const series = await monitorSeries(deps.pool, { place: 'source', object: source, field: null });
  if (series === null || series.whole.length === 0)
    return part(
      'records',
      'Records over time',
      html`<p class="dim">Nothing of it is monitored yet.</p>`,
      readAt(nowUs, null),
    );
  const sumOf = (reasons: ReadonlyMap<string, number> | undefined): number =>
    [...(reasons ?? [])].reduce((sum, [, count]) => sum + count, 0);
  const points = (value: (bucket: MonitorBucket) => number | null) =>
    series.whole.map((bucket) => ({ us: bucket.beginMs * 1000, value: value(bucket) }));
  const reasons = new Map<string, number>();
  for (const { records } of series.whole.slice(-RECENT))
    for (const [reason, count] of [...(records?.invalid ?? []), ...(records?.leftOut ?? [])])
      reasons.set(reason, (reasons.get(reason) ?? 0) + count);
  return part(
    'records',
    'Records over time',
    html`<div class="plots">${linePlot(
      'records',
      points(({ count }) => count),
      { bars: true, shown: shownCount },
    )}${linePlot(
      'invalid',
      points(({ records }) => sumOf(records?.invalid)),
      { bars: true, shown: shownCount },
    )}${linePlot(
      'left out: repeated, late',
      points(({ records }) => sumOf(records?.leftOut)),
      { bars: true, shown: shownCount },
    )}${linePlot(
      'behind the broker, on average',
      points(({ count, records }) => (records === null || count === 0 ? null : records.lagSumMs / count)),
      { shown: (ms) => shownSpan(ms * 1000) },
    )}</div>`,
    table(
      'Not taken over the newest day, by reason',
      ['reason', { n: 'records' }],
      [...reasons]
        .toSorted(([, a], [, b]) => b - a)
        .slice(0, TEXTS)
        .map(([reason, count]) => [shortened(reason, 120), shownCount(count)]),
    ),
    table(
      'By segment over the newest two days',
      ['segment', { n: 'records' }],
      segmentFigures(series.segments)
        .toSorted((a, b) => b.count - a.count)
        .slice(0, SEGMENTS)
        .map(({ segment, count }) => [shortened(segment, TEXT_CHARS), shownCount(count)]),
    ),
    readAt(nowUs, null),
  );
}
