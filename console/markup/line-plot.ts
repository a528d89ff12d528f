import { html } from 'hono/html';
import type { Markup } from '../page.ts';
import { shownFigure, shownTime } from './shown.ts';

/** A value of a time; null: there is none, and the line has a gap. */
export interface PlotPoint {
  readonly us: number;
  readonly value: number | null;
}

const WIDTH = 340;
const HEIGHT = 110;
const LEFT = 8;
const TOP = 16;
const BOTTOM = 92;

/** Values over time as a drawn line, or as bars, from zero on; what it shows stands in words, too. */
export function linePlot(
  title: string,
  points: readonly PlotPoint[],
  { bars = false, shown = shownFigure }: { readonly bars?: boolean; readonly shown?: (value: number) => string } = {},
): Markup {
  const known = points.flatMap(({ us, value }) => (value === null || !Number.isFinite(value) ? [] : [{ us, value }]));
  const [first, last] = [points[0], points.at(-1)];
  if (known.length === 0 || first === undefined || last === undefined)
    return html`<figure><figcaption>${title}: nothing is known</figcaption></figure>`;
  const most = known.reduce((max, { value }) => Math.max(max, value), 0);
  const least = known.reduce((min, { value }) => Math.min(min, value), 0);
  const span = Math.max(1, last.us - first.us);
  const x = (us: number): number => round(LEFT + ((us - first.us) / span) * (WIDTH - 2 * LEFT));
  const height = most - least === 0 ? 1 : most - least;
  const y = (value: number): number => round(BOTTOM - ((value - least) / height) * (BOTTOM - TOP));
  const wide = round(Math.max(1, ((WIDTH - 2 * LEFT) / points.length) * 0.8));
  const drawn = bars
    ? known.map(
        ({ us, value }) =>
          html`<rect class="fill" x="${round(x(us) - wide / 2)}" y="${Math.min(y(value), y(0))}" width="${wide}" height="${round(Math.abs(y(0) - y(value)))}"/>`,
      )
    : html`<path class="ink" d="${pathOf(points, x, y)}"/>${known.length === 1 ? html`<circle class="fill" cx="${x(known[0]!.us)}" cy="${y(known[0]!.value)}" r="2.5"/>` : ''}`;
  const newest = known.at(-1)!;
  const words = `${title}: between ${shown(Math.min(...known.map(({ value }) => value)))} and ${shown(most)}, last ${shown(newest.value)}`;
  return html`<figure><svg role="img" aria-label="${words}" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}"><path class="axis" d="M${LEFT} ${y(0)}H${WIDTH - LEFT}"/>${drawn}<text class="dim" x="${LEFT}" y="11">${shown(most)}</text><text class="dim" x="${LEFT}" y="106">${shortTime(first.us)}</text><text class="dim" x="${WIDTH - LEFT}" y="106" text-anchor="end">${shortTime(last.us)}</text></svg><figcaption>${words}</figcaption></figure>`;
}

function pathOf(points: readonly PlotPoint[], x: (us: number) => number, y: (value: number) => number): string {
  let isOpen = false;
  return points
    .map(({ us, value }) => {
      if (value === null || !Number.isFinite(value)) {
        isOpen = false;
        return '';
      }
      const step = `${isOpen ? 'L' : 'M'}${x(us)} ${y(value)}`;
      isOpen = true;
      return step;
    })
    .join('');
}

function shortTime(us: number): string {
  return shownTime(us).slice(5, 16);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
