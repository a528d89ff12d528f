import { emptyPrepared } from '../define/empty-prepared.ts';
import type { CompiledView, PreparedEvent } from '../define/compiled-view.ts';
import type { SequencedEvents } from './replay-entities.ts';

/** An event as one entity of a view got it, and the commit that applied it. */
export interface EntityEvent extends PreparedEvent {
  readonly seq: number;
}

/**
 * Collects the events of some entities, in the order they were applied. An entity with more than its share of `maxEvents` is given up:
 * its list is null.
 */
export async function collectEvents(
  view: CompiledView,
  batches: AsyncIterable<SequencedEvents>,
  wanted: ReadonlySet<string>,
  maxEvents: number,
  signal: AbortSignal | undefined,
): Promise<Map<string, EntityEvent[] | null>> {
  const found = new Map<string, EntityEvent[] | null>([...wanted].map((text) => [text, []]));
  const perEntity = Math.max(1_000, Math.floor(maxEvents / Math.max(wanted.size, 1)));
  let collected = 0;
  const prepared = emptyPrepared(view.layout.slots);
  for await (const { seq, events } of batches) {
    signal?.throwIfAborted();
    for (let index = 0; index < events.length; index++) {
      if (view.prepare(events[index]!, prepared) !== 'ok') continue;
      const list = found.get(prepared.keyText);
      if (list === undefined || list === null) continue;
      if (list.length >= perEntity && collected >= maxEvents) {
        collected -= list.length;
        found.set(prepared.keyText, null);
        continue;
      }
      const { keyText, eventTimeUs, id, partition, offset } = prepared;
      list.push({
        keyText,
        key: [...prepared.key],
        eventTimeUs,
        id,
        partition,
        offset,
        inputs: [...prepared.inputs],
        seq,
      });
      collected++;
    }
  }
  return found;
}
