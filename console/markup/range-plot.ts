import { html } from 'hono/html';
import type { Markup } from '../page.ts';
import { shortened, shownFigure } from './shown.ts';

/** An estimate with its interval. */
export interface PlotRange {
  readonly name: string;
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

const WIDTH = 420;
const ROW = 22;
const LEFT = 110;

/** Estimates below each other, with a line where nothing differs. */
export function rangePlot(title: string, ranges: readonly PlotRange[]): Markup {
  if (ranges.length === 0) return html``;
  const low = Math.min(0, ...ranges.map((range) => range.low));
  const high = Math.max(0, ...ranges.map((range) => range.high));
  const x = (value: number): number =>
    Math.round((LEFT + ((value - low) / (high - low || 1)) * (WIDTH - LEFT - 12)) * 10) / 10;
  const height = ranges.length * ROW + 20;
  const rows = ranges.map((range, index) => {
    const y = index * ROW + 14;
    return html`<text x="4" y="${y + 4}">${shortened(range.name, 16)}</text><path class="ink" d="M${x(range.low)} ${y}H${x(range.high)}"/><circle class="fill" cx="${x(range.value)}" cy="${y}" r="3.5"/>`;
  });
  const words = ranges.map(
    ({ name, value, low: from, high: to }) =>
      `${name} ${shownFigure(value)}, ${shownFigure(from)} to ${shownFigure(to)}`,
  );
  return html`<figure><svg role="img" aria-label="${title}: ${words.join('; ')}" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}"><path class="axis" d="M${x(0)} 2V${height - 18}"/>${rows}<text class="dim" x="${LEFT}" y="${height - 4}">${shownFigure(low)}</text><text class="dim" x="${WIDTH - 8}" y="${height - 4}" text-anchor="end">${shownFigure(high)}</text></svg><figcaption>${title}</figcaption></figure>`;
}
