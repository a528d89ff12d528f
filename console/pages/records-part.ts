import { html } from 'hono/html';
import type { MonitorBucket } from '../../engine/monitors/monitor-bucket.ts';
import type { ConsoleLook } from '../console-look.ts';
import { linePlot } from '../markup/line-plot.ts';
import { part, readAt, table } from '../markup/parts.ts';
import { command } from '../markup/shell-word.ts';
import { shortened, shownCount, shownSpan } from '../markup/shown.ts';
import type { Markup } from '../page.ts';
import { monitorSeries } from '../read/monitor-series.ts';
import { segmentFigures } from '../read/value-figures.ts';

const SEGMENTS = 20;
const TEXTS = 15;
const TEXT_CHARS = 60;
/** Reasons are of the newest day: hours, or one bucket that is a day. */
const RECENT = 24;

/** How the records of a source were, hour by hour. */
export async function recordsPart(look: ConsoleLook, source: string): Promise<Markup> {
  const { deps, nowUs } = look;
  const series = await monitorSeries(deps.pool, { place: 'source', object: source, field: null });
  if (series === null || series.whole.length === 0)
    return part(
      'records',
      'Records over time',
      html`<p class="dim">Nothing of it is monitored yet.</p>`,
      readAt(nowUs, command('monitor', 'show', source)),
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
    readAt(nowUs, command('monitor', 'show', source)),
  );
}
