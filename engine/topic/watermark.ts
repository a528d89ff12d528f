/** How far one partition, or one share of a topic, is. */
export interface Watermarked {
  /** Records between what was read of it and its end as last seen. */
  readonly lag: number;
  /** The newest event time of it, history included, UTC epoch µs; null before the first. */
  readonly watermarkUs: number | null;
}

/**
 * The watermark of a view: up to which event time it is known to be whole, as far as its log is in the order of time. What lags holds it back; where
 * nothing lags the newest event of any counts. Null before the first event. `WATERMARK_SQL` is the same over the catalog.
 *
 * @example
 * viewWatermark([{ lag: 0, watermarkUs: 9 }, { lag: 4, watermarkUs: 5 }]); // 5
 */
export function viewWatermark(parts: readonly Watermarked[]): number | null {
  const lagging = parts.filter(({ lag }) => lag > 0);
  const times = (lagging.length > 0 ? lagging : parts).flatMap(({ watermarkUs }) => watermarkUs ?? []);
  if (times.length === 0) return null;
  return times.reduce((a, b) => (lagging.length > 0 ? Math.min(a, b) : Math.max(a, b)));
}

/**
 * The highest watermark of a version, µs: whatever lags, the latest time that anything of its log is of. It never falls from commit to commit, partitions
 * that are added included. Null before the first event.
 */
export function highestWatermark(
  parts: readonly Pick<Watermarked, 'watermarkUs'>[],
  historyWatermarkUs: number | null,
): number | null {
  const known = [historyWatermarkUs, ...parts.map(({ watermarkUs }) => watermarkUs)].filter((us) => us !== null);
  return known.length === 0 ? null : Math.max(...known);
}
