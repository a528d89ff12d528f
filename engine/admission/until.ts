import type { CompiledSource } from '../define/compiled-view.ts';

/** Whether an event time (epoch µs) counts on one side of `history.until`. */
export type Within = (eventTimeUs: number) => boolean;

/**
 * The one predicate of `history.until` (design §7): history counts before it, the topic from it on. Without it both count whole.
 *
 * @example
 * withinUntil(source).topic(eventTimeUs); // false: counted as `outsideUntil`
 */
export function withinUntil(source: CompiledSource): { readonly history: Within; readonly topic: Within } {
  const untilUs = source.history?.untilUs ?? null;
  if (untilUs === null) return { history: () => true, topic: () => true };
  return { history: (eventTimeUs) => eventTimeUs < untilUs, topic: (eventTimeUs) => eventTimeUs >= untilUs };
}
