import { html } from 'hono/html';
import type { Markup } from '../page.ts';
import type { PlotPoint } from './line-plot.ts';
import type { Shown } from './parts.ts';

const WIDTH = 210;
const HEIGHT = 46;
const EDGE = 3;

/** One of many plots: shares from 0 to 1 over time, and dashed how they were; the words below tell what it shows. */
export function smallPlot(
  title: Shown,
  points: readonly PlotPoint[],
  before: readonly PlotPoint[],
  words: string,
): Markup {
  const known = (all: readonly PlotPoint[]) => all.filter(({ value }) => value !== null && Number.isFinite(value));
  const [first, last] = [points[0]?.us ?? 0, points.at(-1)?.us ?? 0];
  const y = (share: number): number => round(HEIGHT - EDGE - Math.min(1, Math.max(0, share)) * (HEIGHT - 2 * EDGE));
  const line = (all: readonly PlotPoint[], fromUs: number): string => {
    const x = (us: number): number => round(EDGE + ((us - fromUs) / Math.max(1, last - first)) * (WIDTH - 2 * EDGE));
    return known(all)
      .map(({ us, value }, index) => `${index === 0 ? 'M' : 'L'}${x(us)} ${y(value!)}`)
      .join('');
  };
  const own = known(points);
  const dot = own.length === 1 ? html`<circle class="fill" cx="${EDGE + 2}" cy="${y(own[0]!.value!)}" r="2.5"/>` : '';
  return html`<figure><svg role="img" aria-label="${words}" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}"><path class="axis" d="M${EDGE} ${y(0)}H${WIDTH - EDGE}M${EDGE} ${y(1)}H${WIDTH - EDGE}"/><path class="before" d="${line(before, first - shiftOf(points, before))}"/><path class="ink" d="${line(points, first)}"/>${dot}</svg><figcaption>${title}<br>${words}</figcaption></figure>`;
}

/** How far what was before lies back: it is drawn below what is. */
function shiftOf(points: readonly PlotPoint[], before: readonly PlotPoint[]): number {
  const [last, old] = [points.at(-1), before.at(-1)];
  return last === undefined || old === undefined ? 0 : last.us - old.us;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
