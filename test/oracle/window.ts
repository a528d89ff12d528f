/** Windows, hops and tiles, written from design §5 alone. */

const UNITS_US = { s: 1_000_000, m: 60_000_000, h: 3_600_000_000, d: 86_400_000_000 } as const;

/** `'10s'`, `'5m'`, `'1h'`, `'7d'` in µs. */
export function durationUs(text: string): number {
  const match = /^(\d+)([smhd])$/.exec(text);
  if (match === null) throw new RangeError(`no duration: ${text}`);
  return Number(match[1]) * UNITS_US[match[2] as keyof typeof UNITS_US];
}

/** `w ≤ 1h` 1 min, `≤ 12h` 5 min, `≤ 12d` 1 h, longer 1 d. */
export function defaultHopUs(windowUs: number): number {
  if (windowUs <= durationUs('1h')) return durationUs('1m');
  if (windowUs <= durationUs('12h')) return durationUs('5m');
  if (windowUs <= durationUs('12d')) return durationUs('1h');
  return durationUs('1d');
}

/** The index of the tile of length `hopUs` that holds an instant; instants before 1970 round down too. */
export function tileOf(timeUs: number, hopUs: number): number {
  const into = timeUs % hopUs;
  return (timeUs - (into < 0 ? into + hopUs : into)) / hopUs;
}

/** Whether the window at `atUs` covers the tile of an event: `floor((t-w)/h) … floor(t/h)`; with `ago`, `floor((t−ago−w)/h) … floor((t−ago)/h)`. */
export function covers(span: OracleSpan, eventTimeUs: number, atUs: number): boolean {
  const tile = tileOf(eventTimeUs, span.hopUs);
  const endUs = atUs - (span.agoUs ?? 0);
  return tileOf(endUs - span.windowUs, span.hopUs) <= tile && tile <= tileOf(endUs, span.hopUs);
}

export interface OracleSpan {
  readonly windowUs: number;
  readonly hopUs: number;
  readonly agoUs?: number | undefined;
}
