import type { CompiledSource } from '../define/compiled-view.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import { formatDateTime } from '../values/iso-time.ts';

/** Judges the first record of a partition that reaches dedupe. Throws `history-overlaps-topic`. */
export type OverlapCheck = (partition: number, eventTimeUs: number) => void;

/**
 * Refuses a history that ends after its topic begins (design §5): what stands in both would count twice. A partition begins with its first
 * record that reaches dedupe. Null where nothing is to be checked: `until` or `disjoint` says how it is meant, or there is no history.
 *
 * @param historyNewestUs The history's final watermark, epoch µs.
 */
export function overlapCheck(source: CompiledSource, historyNewestUs: number | null): OverlapCheck | null {
  const { history } = source;
  if (history === null || history.untilUs !== null || history.disjoint || historyNewestUs === null) return null;
  return (partition, eventTimeUs) => {
    if (eventTimeUs >= historyNewestUs) return;
    const begins = formatDateTime(eventTimeUs);
    const ends = formatDateTime(historyNewestUs);
    throw new MillraceError(
      'history-overlaps-topic',
      `source "${source.name}": its history ends at ${ends}, after topic "${source.topic}" begins (partition ${partition}, ${begins}): what stands in both would count twice`,
      {
        remedy:
          "Say where history ends with `history: { until: '…' }` (the topic counts from there on), or `disjoint: true` where no event stands in both.",
        httpStatus: 409,
        details: { source: source.name, partition, historyEnds: ends, topicBegins: begins },
      },
    );
  };
}
