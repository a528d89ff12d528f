import type { CompiledView } from '../define/compiled-view.ts';
import { keptExpired } from '../define/kept-expired.ts';
import { isMillraceError } from '../errors/millrace-error.ts';
import { ByteReader } from '../reduce/byte-reader.ts';
import { CODEC_VERSION, HEADER_BYTES, headerTag } from './state-codec.ts';
import { oldestTile } from './tile-group.ts';

/** So many bytes from a state's beginning on have its newest event time: a safe integer takes eight at most. */
export const HEAD_BYTES = HEADER_BYTES + 8;

/**
 * The event time before which an entity's newest event must lie for its row to go, µs; null where rows stay. Such a row is expired, and no tile of it would
 * be kept beside an event whose entity is found by a read of now or later: so a state that any such read can see has the same bytes whether the row of before
 * was removed or not, however late its events come.
 *
 * Reads of now are no further behind the watermark than an event may lie ahead of its record (`maxAhead`).
 *
 * @param watermarkUs the highest of the partitions and the history: reads are about now, whatever lags
 * @example
 * const beforeUs = removableBeforeUs(view, watermarkUs);
 */
export function removableBeforeUs(
  { layout, source }: Pick<CompiledView, 'layout' | 'source'>,
  watermarkUs: number | null,
): number | null {
  const { expireUs, groups } = layout;
  if (expireUs === undefined || watermarkUs === null || keptExpired(layout, source) !== null) return null;
  const earliestFoundUs = watermarkUs - source.maxAheadUs - expireUs + 1;
  const starts = groups.map(({ hopUs, spanUs }) => {
    const tile = oldestTile({ hopUs, spanUs: spanUs ?? Number.POSITIVE_INFINITY }, earliestFoundUs);
    return tile * (hopUs ?? 0);
  });
  return Math.min(earliestFoundUs, ...starts);
}

/** The newest event time of a state, by its first `HEAD_BYTES` bytes; null of an empty one, and of bytes that are no state of the layout. */
export function newestOfHead(head: Uint8Array, layoutTag: number): number | null {
  if (head.length <= HEADER_BYTES || head[0] !== CODEC_VERSION || headerTag(head) !== layoutTag) return null;
  try {
    return new ByteReader(head, HEADER_BYTES).signedSafe();
  } catch (error) {
    if (!isMillraceError(error) || error.code !== 'state-corrupt') throw error;
    return null;
  }
}
