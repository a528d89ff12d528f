import type { ScalarType, ScalarValue } from '../values/field-type.ts';
import { comparisonOf } from '../values/compare.ts';
import { createHeldEvent, heldEventShape, type TieBreak } from './held-event.ts';
import { heldInCell, heldValue, refOfValue } from './held-value.ts';
import type { PartialReducer, PartialShape } from './partial-reducer.ts';
import type { RowPlace, TileRows } from './tile-rows.ts';
import { optionalValueCodec } from './value-codec.ts';

/** The event (`heldEventShape`), then its value, in a cell or a ref. */
export function firstLastShape(input: ScalarType, tieBreak: TieBreak): PartialShape {
  const { emptyCells, emptyRefs } = heldEventShape(tieBreak);
  return heldInCell(input)
    ? { emptyCells: [...emptyCells, 0], emptyRefs }
    : { emptyCells, emptyRefs: [...emptyRefs, null] };
}

/** The value of the first or last event with a non-null input, by (event time, id or position, value). */
export function createFirstLast(
  kind: 'first' | 'last',
  input: ScalarType,
  tieBreak: TieBreak,
  place: RowPlace,
): PartialReducer {
  const { cell, ref, cellStride } = place;
  const codec = optionalValueCodec(input);
  const compare = comparisonOf(input);
  const inCell = heldInCell(input);
  const event = createHeldEvent(tieBreak, place);
  const { emptyCells, emptyRefs } = heldEventShape(tieBreak);
  const held = heldValue(input, { ...place, cell: cell + emptyCells.length, ref: ref + emptyRefs.length });
  const sign = kind === 'first' ? -1 : 1;

  const offer = (
    rows: TileRows,
    row: number,
    timeUs: number,
    partition: number,
    offset: number,
    id: string | null,
    value: NonNullable<ScalarValue>,
  ): void => {
    const heldUs = rows.cells[row * cellStride + cell]!;
    // False for an empty cell (NaN).
    if (sign * (timeUs - heldUs) < 0) return;
    if (timeUs === heldUs) {
      // The same id or position with two values: the greater value counts as the later, so that the outcome needs no arrival order.
      const order =
        event.compareTie(rows, row, partition, offset, id) ||
        compare(inCell ? value : refOfValue(value), held.at(rows, row));
      if (sign * order <= 0) return;
    }
    event.store(rows, row, timeUs, partition, offset, id);
    held.store(rows, row, value);
  };

  return {
    add(rows, row, { eventTimeUs, partition, offset, id }, value) {
      offer(rows, row, eventTimeUs, partition, offset, id, value);
    },
    merge(rows, row, from, fromRow) {
      const timeUs = from.cells[fromRow * cellStride + cell]!;
      if (Number.isNaN(timeUs)) return;
      const partition = event.partitionAt(from, fromRow);
      const offset = event.offsetAt(from, fromRow);
      offer(rows, row, timeUs, partition, offset, event.idAt(from, fromRow), held.at(from, fromRow));
    },
    encode(rows, row, writer) {
      if (Number.isNaN(rows.cells[row * cellStride + cell]!)) {
        codec.write(writer, null);
        return;
      }
      codec.write(writer, held.at(rows, row));
      event.encode(rows, row, writer);
    },
    decode(rows, row, reader, newestEventTimeUs) {
      const value = codec.read(reader);
      if (value === null) return;
      event.decode(rows, row, reader, newestEventTimeUs);
      held.store(rows, row, value);
    },
    reader() {
      // Tiles are ordered by time: the outermost one with a value decides.
      return (rows, from, to) => {
        const step = kind === 'first' ? 1 : -1;
        for (let row = kind === 'first' ? from : to - 1; row >= from && row < to; row += step) {
          if (!Number.isNaN(rows.cells[row * cellStride + cell]!)) return held.at(rows, row);
        }
        return null;
      };
    },
  };
}
