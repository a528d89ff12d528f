import { comparisonOf, idComparisonOf } from '../values/compare.ts';
import type { ScalarType, ScalarValue } from '../values/field-type.ts';
import type { ByteReader } from './byte-reader.ts';
import type { ByteWriter } from './byte-writer.ts';
import { timeInTile, type TieBreak, withinTile } from './held-event.ts';
import { optionalValueCodec } from './value-codec.ts';

/** An event of a list: its place in the order of design §5, and its value. Never changed. */
export interface ListedEvent {
  readonly timeUs: number;
  /** Null where ties break by partition and offset. */
  readonly id: string | null;
  readonly partition: number;
  readonly offset: number;
  readonly value: NonNullable<ScalarValue>;
}

/** The order of design §5: event time, then id or position; what ties still, by value. */
export function listedOrder(type: ScalarType, tieBreak: TieBreak): (a: ListedEvent, b: ListedEvent) => number {
  const compareValues = comparisonOf(type);
  if (tieBreak === 'offset') {
    return (a, b) =>
      a.timeUs - b.timeUs || a.partition - b.partition || a.offset - b.offset || compareValues(a.value, b.value);
  }
  const compareIds = idComparisonOf(tieBreak);
  return (a, b) => a.timeUs - b.timeUs || compareIds(a.id as string, b.id as string) || compareValues(a.value, b.value);
}

/** The bytes of a list (engine/state/README.md), in a tile or (`hopUs` null) a lifetime. */
export interface ListedCodec {
  write(writer: ByteWriter, items: readonly ListedEvent[]): void;
  /** Throws `state-corrupt` for what `write` never writes of lists of at most `size` events. */
  read(reader: ByteReader, tile: number, newestEventTimeUs: number): ListedEvent[];
}

const CANONICAL_INTEGER = /^(?:0|-?[1-9][0-9]*)$/;

export function listedCodec(
  type: ScalarType,
  tieBreak: TieBreak,
  { hopUs, size, distinct }: { readonly hopUs: number | null; readonly size: number; readonly distinct: boolean },
): ListedCodec {
  const codec = optionalValueCodec(type);
  const compare = listedOrder(type, tieBreak);
  /** What a time is told by: how far it lies into its tile, or itself. */
  const told = hopUs === null ? (timeUs: number) => timeUs : (timeUs: number) => withinTile(timeUs, hopUs);
  return {
    write(writer, items) {
      writer.unsigned(items.length);
      let before = 0;
      for (let at = 0; at < items.length; at++) {
        const { timeUs, id, partition, offset, value } = items[at]!;
        codec.write(writer, value);
        const time = told(timeUs);
        // Two times may lie further apart than numbers are safe.
        if (hopUs === null) writer.signed(time);
        else writer.unsigned(time - before);
        before = time;
        if (id === null) {
          writer.signed(partition);
          writer.unsigned(offset);
        } else {
          writer.text(id, 0);
        }
      }
    },
    read(reader, tile, newestEventTimeUs) {
      const count = reader.unsigned();
      if (count > size) reader.corrupt('a list is too long');
      if (count > reader.remaining) reader.corrupt('a list ends too early');
      const items: ListedEvent[] = new Array<ListedEvent>(count);
      const seen = distinct ? new Set<ScalarValue>() : null;
      let time = 0;
      for (let at = 0; at < count; at++) {
        const value = codec.read(reader) ?? reader.corrupt('a listed event has no value');
        time = hopUs === null ? reader.signedSafe() : time + reader.unsigned();
        const timeUs = hopUs === null ? time : timeInTile(reader, time, tile, hopUs);
        if (timeUs > newestEventTimeUs) reader.corrupt('an event is newer than the newest');
        const item = readPlace(reader, tieBreak, timeUs, value);
        if (at > 0 && compare(items[at - 1]!, item) > 0) reader.corrupt('a list is out of order');
        if (seen !== null && seen.size === seen.add(value).size) reader.corrupt('a value is listed twice');
        items[at] = item;
      }
      return items;
    },
  };
}

function readPlace(
  reader: ByteReader,
  tieBreak: TieBreak,
  timeUs: number,
  value: NonNullable<ScalarValue>,
): ListedEvent {
  if (tieBreak === 'offset') {
    const partition = reader.signedSafe();
    return { timeUs, id: null, partition, offset: reader.unsigned(), value };
  }
  const id = reader.text(reader.unsigned());
  if (tieBreak === 'integer-id' && !CANONICAL_INTEGER.test(id)) reader.corrupt('an id is no integer');
  return { timeUs, id, partition: 0, offset: 0, value };
}
