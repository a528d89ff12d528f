import type { FeatureLayout } from '../define/view-layout.ts';

/** What of a feature decides which tiles it sees. */
export type WindowSpan = Pick<FeatureLayout, 'windowUs' | 'agoUs'>;

/**
 * The first tile that a window sees at a time (design §5); the last is `lastTileSeen`. Exact: times and lengths are safe integers, and so is
 * every difference that is a time.
 */
export function firstTileSeen({ agoUs }: WindowSpan, windowUs: number, hopUs: number, atUs: number): number {
  return Math.floor((atUs - ((agoUs ?? 0) + windowUs)) / hopUs);
}

/** The last tile that a window sees at a time. It is seen whole, whatever lies in it. */
export function lastTileSeen({ agoUs }: WindowSpan, hopUs: number, atUs: number): number {
  return Math.floor((atUs - (agoUs ?? 0)) / hopUs);
}

/** How long before a read the window of a feature begins; 0 of a lifetime feature. */
export function reachUs({ windowUs, agoUs }: WindowSpan): number {
  return (windowUs ?? 0) + (agoUs ?? 0);
}

/** Whether two features of one hop group see the same tiles at every time. */
export function isSameSpan(a: WindowSpan, b: WindowSpan): boolean {
  return a.windowUs === b.windowUs && (a.agoUs ?? 0) === (b.agoUs ?? 0);
}
