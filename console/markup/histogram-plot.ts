import { html } from 'hono/html';
import type { Markup } from '../page.ts';
import { shortened, shownFigure, shownShare } from './shown.ts';

/** Bars of one width, and which share of the values is in each. */
export interface Histogram {
  /** Where the first bar begins, and the last one ends. */
  readonly low: number;
  readonly high: number;
  readonly now: readonly number[];
  /** Of what it is held to, by the same bars. */
  readonly before: readonly number[] | null;
}

const WIDTH = 340;
const HEIGHT = 110;
const LEFT = 8;
const TOP = 16;
const BOTTOM = 92;
const BAR = 18;
const LABEL = 130;

/** A distribution as bars, and as an outline what it is held to. */
export function histogramPlot(title: string, histogram: Histogram, beforeIs: string | null): Markup {
  const { low, high, now, before } = histogram;
  const most = Math.max(...now, ...(before ?? []), Number.MIN_VALUE);
  const wide = (WIDTH - 2 * LEFT) / now.length;
  const x = (bar: number): number => round(LEFT + bar * wide);
  const y = (share: number): number => round(BOTTOM - (share / most) * (BOTTOM - TOP));
  const bars = now.map((share, bar) =>
    share === 0
      ? ''
      : html`<rect class="fill" x="${round(x(bar) + wide * 0.08)}" y="${y(share)}" width="${round(wide * 0.84)}" height="${round(BOTTOM - y(share))}"/>`,
  );
  const outline =
    before === null
      ? ''
      : html`<path class="outline" d="M${LEFT} ${BOTTOM}${before.map((share, bar) => `V${y(share)}H${x(bar + 1)}`).join('')}V${BOTTOM}"/>`;
  const top = now.indexOf(Math.max(...now));
  const step = (high - low) / now.length;
  const peak = `${shownShare(now[top]!)} between ${shownFigure(low + top * step)} and ${shownFigure(low + (top + 1) * step)}`;
  const held = before === null || beforeIs === null ? '' : `; outlined: ${beforeIs}`;
  const words = `${title}: most, ${peak}${held}`;
  return html`<figure><svg role="img" aria-label="${words}" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}"><path class="axis" d="M${LEFT} ${BOTTOM}H${WIDTH - LEFT}"/>${bars}${outline}<text class="dim" x="${LEFT}" y="11">${shownShare(most)}</text><text class="dim" x="${LEFT}" y="106">${shownFigure(low)}</text><text class="dim" x="${WIDTH - LEFT}" y="106" text-anchor="end">${shownFigure(high)}</text></svg><figcaption>${words}</figcaption></figure>`;
}

/** A kind of value, which share has it, and which had it. */
export interface ShareBar {
  readonly name: string;
  readonly share: number;
  readonly before: number | null;
}

/** Shares below each other; a line across each bar is where it was. */
export function shareBars(title: string, rows: readonly ShareBar[], beforeIs: string | null): Markup {
  if (rows.length === 0) return html``;
  const most = Math.max(...rows.map(({ share, before }) => Math.max(share, before ?? 0)), Number.MIN_VALUE);
  const across = (share: number): number => round((share / most) * (WIDTH - LABEL - 60));
  const height = rows.length * BAR + 4;
  const drawn = rows.map(({ name, share, before }, row) => {
    const y = row * BAR + 2;
    const mark =
      before === null ? '' : html`<path class="outline" d="M${LABEL + across(before)} ${y}V${y + BAR - 4}"/>`;
    return html`<text x="4" y="${y + 11}">${shortened(name, 20)}</text><rect class="fill" x="${LABEL}" y="${y + 1}" width="${across(share)}" height="${BAR - 6}"/>${mark}<text class="dim" x="${LABEL + Math.max(across(share), across(before ?? 0)) + 4}" y="${y + 11}">${shownShare(share)}</text>`;
  });
  const said = rows.map(
    ({ name, share, before }) =>
      `${shortened(name, 40)} ${shownShare(share)}${before === null ? '' : `, was ${shownShare(before)}`}`,
  );
  const held = beforeIs === null ? '' : `; the line across: ${beforeIs}`;
  return html`<figure><svg role="img" aria-label="${title}: ${said.join('; ')}" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}">${drawn}</svg><figcaption>${title}${held}</figcaption></figure>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
