import type { ViewLayout } from '../define/view-layout.ts';
import { internalBug } from '../errors/millrace-error.ts';
import { idComparisonOf } from '../values/compare.ts';
import type { ByteReader } from './byte-reader.ts';
import type { ByteWriter } from './byte-writer.ts';
import { wellFormed } from './held-value.ts';
import type { PartialShape } from './partial-reducer.ts';
import type { RowPlace, TileRows } from './tile-rows.ts';

export type TieBreak = ViewLayout['tieBreak'];

/** Cells: event time (NaN: no event), then partition and offset if ties break by them. Refs: the event id if ties break by it. */
export function heldEventShape(tieBreak: TieBreak): PartialShape {
  return tieBreak === 'offset'
    ? { emptyCells: [Number.NaN, 0, 0], emptyRefs: [] }
    : { emptyCells: [Number.NaN], emptyRefs: [null] };
}

/** The event a row holds the value of, for the order of design §5: (event time, then id or position). */
export interface HeldEvent {
  /** Among events of one time: positive if the offered one comes after the held one, 0 for the same id or position. */
  compareTie(rows: TileRows, row: number, partition: number, offset: number, id: string | null): number;
  store(rows: TileRows, row: number, timeUs: number, partition: number, offset: number, id: string | null): void;
  /** Of a row that holds one. */
  idAt(rows: TileRows, row: number): string | null;
  partitionAt(rows: TileRows, row: number): number;
  offsetAt(rows: TileRows, row: number): number;
  encode(rows: TileRows, row: number, writer: ByteWriter): void;
  /** Throws `state-corrupt`. */
  decode(rows: TileRows, row: number, reader: ByteReader, newestEventTimeUs: number): void;
}

/** Bound to its place: that of the partial whose cells and refs begin with it. */
export function createHeldEvent(tieBreak: TieBreak, { cell, ref, cellStride, refStride, hopUs }: RowPlace): HeldEvent {
  const byId = tieBreak !== 'offset';
  const compareIds = idComparisonOf(byId ? tieBreak : 'id');
  return {
    compareTie(rows, row, partition, offset, id) {
      if (byId) return compareIds(wellFormed(givenId(id)), rows.refs[row * refStride + ref] as string);
      const at = row * cellStride + cell;
      return partition - rows.cells[at + 1]! || offset - rows.cells[at + 2]!;
    },
    store(rows, row, timeUs, partition, offset, id) {
      const at = row * cellStride + cell;
      rows.cells[at] = timeUs + 0;
      if (byId) {
        rows.refs[row * refStride + ref] = wellFormed(givenId(id));
      } else {
        rows.cells[at + 1] = partition;
        rows.cells[at + 2] = offset;
      }
    },
    idAt: (rows, row) => (byId ? (rows.refs[row * refStride + ref] as string) : null),
    partitionAt: (rows, row) => (byId ? 0 : rows.cells[row * cellStride + cell + 1]!),
    offsetAt: (rows, row) => (byId ? 0 : rows.cells[row * cellStride + cell + 2]!),
    encode(rows, row, writer) {
      const at = row * cellStride + cell;
      const timeUs = rows.cells[at]!;
      if (hopUs === null) writer.signed(timeUs);
      else writer.unsigned(withinTile(timeUs, hopUs));
      if (byId) {
        writer.text(rows.refs[row * refStride + ref] as string, 0);
      } else {
        writer.signed(rows.cells[at + 1]!);
        writer.unsigned(rows.cells[at + 2]!);
      }
    },
    decode(rows, row, reader, newestEventTimeUs) {
      const at = row * cellStride + cell;
      const timeUs =
        hopUs === null
          ? reader.signedSafe()
          : timeInTile(reader, reader.unsigned(), rows.cells[row * cellStride]!, hopUs);
      if (timeUs > newestEventTimeUs) reader.corrupt('an event is newer than the newest');
      rows.cells[at] = timeUs;
      if (byId) {
        rows.refs[row * refStride + ref] = reader.text(reader.unsigned());
      } else {
        rows.cells[at + 1] = reader.signedSafe();
        rows.cells[at + 2] = reader.unsigned();
      }
    },
  };
}

export function givenId(id: string | null): string {
  if (id === null) throw internalBug('an event without an id reached a view whose ties break by id');
  return id;
}

/** How far into its tile a time lies. */
export function withinTile(timeUs: number, hopUs: number): number {
  const within = timeUs % hopUs;
  return within < 0 ? within + hopUs : within + 0;
}

/** The time that lies so far into a tile. Throws `state-corrupt`. */
export function timeInTile(reader: ByteReader, within: number, tile: number, hopUs: number): number {
  if (within >= hopUs) reader.corrupt('an event lies outside its tile');
  // Below zero from the tile's end, which is safe where its start may be beyond the safe integers.
  const timeUs = tile < 0 ? (tile + 1) * hopUs - (hopUs - within) : tile * hopUs + within;
  return Number.isSafeInteger(timeUs) ? timeUs : reader.corrupt('an event time is out of range');
}
