import { html } from 'hono/html';
import type { Markup } from '../page.ts';
import { shownFigure, shownTime } from './shown.ts';

/** Five quantiles of a time, ascending; null: there were no values. */
export interface BandPoint {
  readonly us: number;
  readonly quantiles: readonly number[] | null;
}

const WIDTH = 340;
const HEIGHT = 110;
const LEFT = 8;
const TOP = 16;
const BOTTOM = 92;

/** Quantiles over time: a band between the outer two, a darker one between the next, and the median as a line. Where there is nothing, there is a gap. */
export function bandPlot(title: string, points: readonly BandPoint[]): Markup {
  const known = points.flatMap(({ quantiles }) =>
    quantiles === null || quantiles.length !== 5 || !quantiles.every(Number.isFinite) ? [] : [quantiles],
  );
  const [first, last] = [points[0], points.at(-1)];
  if (known.length === 0 || first === undefined || last === undefined)
    return html`<figure><figcaption>${title}: nothing is known</figcaption></figure>`;
  const least = known.reduce((low, quantiles) => Math.min(low, quantiles[0]!), Number.POSITIVE_INFINITY);
  const most = known.reduce((high, quantiles) => Math.max(high, quantiles[4]!), Number.NEGATIVE_INFINITY);
  const span = Math.max(1, last.us - first.us);
  const x = (us: number): number => round(LEFT + ((us - first.us) / span) * (WIDTH - 2 * LEFT));
  const y = (value: number): number =>
    round(BOTTOM - (most === least ? 0.5 : (value - least) / (most - least)) * (BOTTOM - TOP));
  const runs = runsOf(points);
  const band = (low: number, high: number): string =>
    runs
      .map((run) => {
        const up = run.map(({ us, quantiles }) => `${x(us)} ${y(quantiles[high]!)}`);
        const down = run.toReversed().map(({ us, quantiles }) => `${x(us)} ${y(quantiles[low]!)}`);
        return `M${[...up, ...down].join('L')}Z`;
      })
      .join('');
  const median = runs
    .map((run) => `M${run.map(({ us, quantiles }) => `${x(us)} ${y(quantiles[2]!)}`).join('L')}`)
    .join('');
  const dots = runs.flatMap(([one, ...more]) =>
    one === undefined || more.length > 0
      ? []
      : [html`<circle class="fill" cx="${x(one.us)}" cy="${y(one.quantiles[2]!)}" r="2.5"/>`],
  );
  const newest = known.at(-1)!;
  const words = `${title}: between ${shownFigure(least)} and ${shownFigure(most)}; last median ${shownFigure(newest[2]!)}, half within ${shownFigure(newest[1]!)} to ${shownFigure(newest[3]!)}`;
  return html`<figure><svg role="img" aria-label="${words}" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}"><path class="band" d="${band(0, 4)}"/><path class="band" d="${band(1, 3)}"/><path class="ink" d="${median}"/>${dots}<text class="dim" x="${LEFT}" y="11">${shownFigure(most)}</text><text class="dim" x="${LEFT}" y="106">${shownTime(first.us).slice(5, 16)}</text><text class="dim" x="${WIDTH - LEFT}" y="106" text-anchor="end">${shownTime(last.us).slice(5, 16)}</text></svg><figcaption>${words}</figcaption></figure>`;
}

type KnownPoint = BandPoint & { readonly quantiles: readonly number[] };

/** Points that follow each other without a gap. */
function runsOf(points: readonly BandPoint[]): KnownPoint[][] {
  const runs: KnownPoint[][] = [];
  let run: KnownPoint[] = [];
  for (const { us, quantiles } of points) {
    const isKnown = quantiles !== null && quantiles.length === 5 && quantiles.every(Number.isFinite);
    if (isKnown) run.push({ us, quantiles });
    else if (run.length > 0) {
      runs.push(run);
      run = [];
    }
  }
  if (run.length > 0) runs.push(run);
  return runs;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
