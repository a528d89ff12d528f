import type { CompiledSource } from './compiled-view.ts';
import type { ViewLayout } from './view-layout.ts';

/**
 * Why the rows of entities that have expired stay in the store, in words; null where they go once no read can see them, nor could after a further
 * event, and where nothing expires.
 *
 * @example
 * keptExpired(view.layout, view.source); // 'a later event brings back what its features over all time have of the earlier ones'
 */
export function keptExpired(
  { expireUs, groups }: ViewLayout,
  { topic, maxAheadUs, brokerTime }: Pick<CompiledSource, 'topic' | 'maxAheadUs' | 'brokerTime'>,
): string | null {
  if (expireUs === undefined) return null;
  if (topic === null) return 'without a topic no stream removes them';
  if (groups.some(({ hopUs }) => hopUs === null))
    return 'a later event brings back what its features over all time have of the earlier ones';
  // The watermark is all that tells how late it is: without a guard it may be any time ahead of reads, and they would miss what it removed.
  if (!Number.isFinite(maxAheadUs))
    return "with `maxAhead: false` nothing bounds how far ahead of reads the view's watermark is";
  if (brokerTime === 'none')
    return "with `brokerTime: 'none'` nothing bounds how far ahead of reads the view's watermark is";
  return null;
}
