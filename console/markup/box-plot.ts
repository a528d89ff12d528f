import { html } from 'hono/html';
import type { Markup } from '../page.ts';
import { shortened, shownFigure } from './shown.ts';

/** Five quantiles of something, ascending. */
export interface BoxRow {
  readonly name: string;
  readonly quantiles: readonly number[];
}

const WIDTH = 420;
const ROW = 20;
const LEFT = 130;

/** Distributions below each other: a line between the outer quantiles, a box between the next, and a tick at the median. */
export function boxPlot(title: string, rows: readonly BoxRow[]): Markup {
  const known = rows.filter(({ quantiles }) => quantiles.length === 5 && quantiles.every(Number.isFinite));
  if (known.length === 0) return html``;
  const low = Math.min(...known.map(({ quantiles }) => quantiles[0]!));
  const high = Math.max(...known.map(({ quantiles }) => quantiles[4]!));
  const x = (value: number): number =>
    Math.round((LEFT + (high === low ? 0.5 : (value - low) / (high - low)) * (WIDTH - LEFT - 12)) * 10) / 10;
  const height = known.length * ROW + 20;
  const drawn = known.map(({ name, quantiles }, index) => {
    const y = index * ROW + 12;
    const [first, second, median, third, last] = quantiles.map(x) as [number, number, number, number, number];
    return html`<text x="4" y="${y + 4}">${shortened(name, 20)}</text><path class="axis" d="M${first} ${y}H${last}"/><rect class="band" x="${second}" y="${y - 6}" width="${Math.max(1, Math.round((third - second) * 10) / 10)}" height="12"/><path class="ink" d="M${median} ${y - 7}V${y + 7}"/>`;
  });
  const words = known.map(
    ({ name, quantiles }) =>
      `${shortened(name, 40)} median ${shownFigure(quantiles[2]!)}, half within ${shownFigure(quantiles[1]!)} to ${shownFigure(quantiles[3]!)}`,
  );
  return html`<figure><svg role="img" aria-label="${title}: ${words.join('; ')}" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}">${drawn}<text class="dim" x="${LEFT}" y="${height - 4}">${shownFigure(low)}</text><text class="dim" x="${WIDTH - 8}" y="${height - 4}" text-anchor="end">${shownFigure(high)}</text></svg><figcaption>${title}</figcaption></figure>`;
}
