import type { ScalarType, ScalarValue } from '../values/field-type.ts';
import type { ViewLayout } from '../define/view-layout.ts';
import { internalBug } from '../errors/millrace-error.ts';
import type { ByteReader } from './byte-reader.ts';
import { comparisonOf, idComparisonOf } from '../values/compare.ts';
import { cellOfValue, heldInCell, refOfValue, valueOfCell, wellFormed } from './held-value.ts';
import type { PartialReducer, PartialShape } from './partial-reducer.ts';
import type { Ref, RowPlace, TileRows } from './tile-rows.ts';
import { optionalValueCodec } from './value-codec.ts';

type TieBreak = ViewLayout['tieBreak'];

/**
 * Cells: event time (NaN: nothing yet), then partition and offset if ties break by them, then the value if held in a cell.
 * Refs: the event id if ties break by it, then the value if held as a ref.
 */
export function firstLastShape(input: ScalarType, tieBreak: TieBreak): PartialShape {
  const key = tieBreak === 'offset' ? [Number.NaN, 0, 0] : [Number.NaN];
  const id: Ref[] = tieBreak === 'offset' ? [] : [null];
  return heldInCell(input) ? { emptyCells: [...key, 0], emptyRefs: id } : { emptyCells: key, emptyRefs: [...id, null] };
}

/** The value of the first or last event with a non-null input, by (event time, id or position, value). */
export function createFirstLast(
  kind: 'first' | 'last',
  input: ScalarType,
  tieBreak: TieBreak,
  place: RowPlace,
): PartialReducer {
  const { cell, ref, cellStride, refStride, hopUs } = place;
  const codec = optionalValueCodec(input);
  const compare = comparisonOf(input);
  const inCell = heldInCell(input);
  const toValue = valueOfCell(input);
  const byId = tieBreak !== 'offset';
  const compareIds = idComparisonOf(byId ? tieBreak : 'id');
  const valueCell = byId ? 1 : 3;
  const valueRef = byId ? 1 : 0;
  const sign = kind === 'first' ? -1 : 1;

  const valueAt = (rows: TileRows, row: number): NonNullable<ScalarValue> =>
    inCell
      ? (toValue(rows.cells[row * cellStride + cell + valueCell]!) as number | boolean)
      : (rows.refs[row * refStride + ref + valueRef] as string | bigint);

  const storeValue = (rows: TileRows, row: number, value: ScalarValue): void => {
    if (inCell) rows.cells[row * cellStride + cell + valueCell] = cellOfValue(value);
    else rows.refs[row * refStride + ref + valueRef] = refOfValue(value);
  };

  /** Among events of one time: positive if the offered one comes after the held one. */
  const compareTie = (
    rows: TileRows,
    row: number,
    partition: number,
    offset: number,
    id: string | null,
    value: NonNullable<ScalarValue>,
  ): number => {
    const at = row * cellStride + cell;
    const order = byId
      ? compareIds(wellFormed(id!), rows.refs[row * refStride + ref] as string)
      : partition - rows.cells[at + 1]! || offset - rows.cells[at + 2]!;
    // The same id or position with two values: the greater value counts as the later, so that the outcome needs no arrival order.
    return order || compare(inCell ? value : refOfValue(value), valueAt(rows, row));
  };

  const offer = (
    rows: TileRows,
    row: number,
    timeUs: number,
    partition: number,
    offset: number,
    id: string | null,
    value: NonNullable<ScalarValue>,
  ): void => {
    const at = row * cellStride + cell;
    const { cells } = rows;
    const held = cells[at]!;
    // False for an empty cell (NaN).
    if (sign * (timeUs - held) < 0) return;
    if (byId && id === null) throw internalBug('an event without an id reached a view whose ties break by id');
    if (timeUs === held && sign * compareTie(rows, row, partition, offset, id, value) <= 0) return;
    cells[at] = timeUs + 0;
    if (byId) {
      rows.refs[row * refStride + ref] = wellFormed(id!);
    } else {
      cells[at + 1] = partition;
      cells[at + 2] = offset;
    }
    storeValue(rows, row, value);
  };

  return {
    add(rows, row, event, value) {
      offer(rows, row, event.eventTimeUs, event.partition, event.offset, event.id, value);
    },
    merge(rows, row, from, fromRow) {
      const at = fromRow * cellStride + cell;
      const timeUs = from.cells[at]!;
      if (Number.isNaN(timeUs)) return;
      const partition = byId ? 0 : from.cells[at + 1]!;
      const offset = byId ? 0 : from.cells[at + 2]!;
      const id = byId ? (from.refs[fromRow * refStride + ref] as string) : null;
      offer(rows, row, timeUs, partition, offset, id, valueAt(from, fromRow));
    },
    encode(rows, row, writer) {
      const at = row * cellStride + cell;
      const timeUs = rows.cells[at]!;
      if (Number.isNaN(timeUs)) {
        codec.write(writer, null);
        return;
      }
      codec.write(writer, valueAt(rows, row));
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
      const value = codec.read(reader);
      if (value === null) return;
      const at = row * cellStride + cell;
      const timeUs = hopUs === null ? reader.signedSafe() : readTime(reader, rows.cells[row * cellStride]!, hopUs);
      if (timeUs > newestEventTimeUs) reader.corrupt('an event is newer than the newest');
      rows.cells[at] = timeUs;
      if (byId) {
        rows.refs[row * refStride + ref] = reader.text(reader.unsigned());
      } else {
        rows.cells[at + 1] = reader.signedSafe();
        rows.cells[at + 2] = reader.unsigned();
      }
      storeValue(rows, row, value);
    },
    reader() {
      // Tiles are ordered by time: the outermost one with a value decides.
      return (rows, from, to) => {
        const step = kind === 'first' ? 1 : -1;
        for (let row = kind === 'first' ? from : to - 1; row >= from && row < to; row += step) {
          if (!Number.isNaN(rows.cells[row * cellStride + cell]!)) return valueAt(rows, row);
        }
        return null;
      };
    },
  };
}

/** How far into its tile a time lies. */
function withinTile(timeUs: number, hopUs: number): number {
  const within = timeUs % hopUs;
  return within < 0 ? within + hopUs : within + 0;
}

function readTime(reader: ByteReader, tile: number, hopUs: number): number {
  const within = reader.unsigned();
  if (within >= hopUs) reader.corrupt('an event lies outside its tile');
  // Below zero from the tile's end, which is safe where its start may be beyond the safe integers.
  const timeUs = tile < 0 ? (tile + 1) * hopUs - (hopUs - within) : tile * hopUs + within;
  return Number.isSafeInteger(timeUs) ? timeUs : reader.corrupt('an event time is out of range');
}
