import type { ScalarType, ScalarValue } from '../values/field-type.ts';
import { comparisonOf } from '../values/compare.ts';
import { createHeldEvent, heldEventShape, type TieBreak } from './held-event.ts';
import { asHeld, heldInCell, heldValue } from './held-value.ts';
import type { PartialReducer, PartialShape } from './partial-reducer.ts';
import type { RowPlace, TileRows } from './tile-rows.ts';
import { optionalValueCodec } from './value-codec.ts';

/** What `minBy` and `maxBy` take of an event: x, y, and where among its inputs y stands. */
export interface OrderedInput {
  readonly x: ScalarType;
  readonly y: ScalarType;
  readonly orderIndex: number;
}

/** The event (`heldEventShape`), then x, then y, each in a cell or a ref. */
export function minMaxByShape({ x, y }: OrderedInput, tieBreak: TieBreak): PartialShape {
  const { emptyCells, emptyRefs } = heldEventShape(tieBreak);
  const inCells = [x, y].filter(heldInCell);
  return {
    emptyCells: [...emptyCells, ...inCells.map(() => 0)],
    emptyRefs: [...emptyRefs, ...Array.from({ length: 2 - inCells.length }, () => null)],
  };
}

/**
 * x of the event with the least or greatest y; of equal ones `minBy` has the earliest and `maxBy` the latest, by (event time, id or
 * position, x). Events without an x or a y do not come here: `prepare` has left them out.
 */
export function createMinMaxBy(
  kind: 'minBy' | 'maxBy',
  { x, y, orderIndex }: OrderedInput,
  tieBreak: TieBreak,
  place: RowPlace,
): PartialReducer {
  const { cell, ref, cellStride } = place;
  const [xCodec, yCodec] = [optionalValueCodec(x), optionalValueCodec(y)];
  const [compareX, compareY] = [comparisonOf(x), comparisonOf(y)];
  const event = createHeldEvent(tieBreak, place);
  const { emptyCells, emptyRefs } = heldEventShape(tieBreak);
  const xPlace = { ...place, cell: cell + emptyCells.length, ref: ref + emptyRefs.length };
  const heldX = heldValue(x, xPlace);
  const heldY = heldValue(y, heldInCell(x) ? { ...xPlace, cell: xPlace.cell + 1 } : { ...xPlace, ref: xPlace.ref + 1 });
  const sign = kind === 'minBy' ? -1 : 1;
  const isEmpty = (rows: TileRows, row: number): boolean => Number.isNaN(rows.cells[row * cellStride + cell]!);
  // Values compare as they are held.
  const [asHeldX, asHeldY] = [asHeld(x), asHeld(y)];

  const offer = (
    rows: TileRows,
    row: number,
    timeUs: number,
    partition: number,
    offset: number,
    id: string | null,
    offeredX: NonNullable<ScalarValue>,
    offeredY: NonNullable<ScalarValue>,
  ): void => {
    if (!isEmpty(rows, row)) {
      const order =
        compareY(asHeldY(offeredY), heldY.at(rows, row)) ||
        timeUs - rows.cells[row * cellStride + cell]! ||
        event.compareTie(rows, row, partition, offset, id) ||
        compareX(asHeldX(offeredX), heldX.at(rows, row));
      if (sign * order <= 0) return;
    }
    event.store(rows, row, timeUs, partition, offset, id);
    heldX.store(rows, row, offeredX);
    heldY.store(rows, row, offeredY);
  };

  return {
    add(rows, row, { eventTimeUs, partition, offset, id, inputs }, value) {
      offer(rows, row, eventTimeUs, partition, offset, id, value, inputs[orderIndex]!);
    },
    merge(rows, row, from, fromRow) {
      if (isEmpty(from, fromRow)) return;
      const timeUs = from.cells[fromRow * cellStride + cell]!;
      const partition = event.partitionAt(from, fromRow);
      const offset = event.offsetAt(from, fromRow);
      const id = event.idAt(from, fromRow);
      offer(rows, row, timeUs, partition, offset, id, heldX.at(from, fromRow), heldY.at(from, fromRow));
    },
    encode(rows, row, writer) {
      if (isEmpty(rows, row)) {
        xCodec.write(writer, null);
        return;
      }
      xCodec.write(writer, heldX.at(rows, row));
      yCodec.write(writer, heldY.at(rows, row));
      event.encode(rows, row, writer);
    },
    decode(rows, row, reader, newestEventTimeUs) {
      const valueX = xCodec.read(reader);
      if (valueX === null) return;
      const valueY = yCodec.read(reader) ?? reader.corrupt('a value has nothing it was ordered by');
      event.decode(rows, row, reader, newestEventTimeUs);
      heldX.store(rows, row, valueX);
      heldY.store(rows, row, valueY);
    },
    reader() {
      // Tiles are ordered by time: of those with equal y the first is minBy's, the last maxBy's.
      return (rows, from, to) => {
        let best = -1;
        for (let row = from; row < to; row++) {
          if (isEmpty(rows, row)) continue;
          const order = best < 0 ? sign : sign * compareY(heldY.at(rows, row), heldY.at(rows, best));
          if (order > 0 || best < 0 || (order === 0 && kind === 'maxBy')) best = row;
        }
        return best < 0 ? null : heldX.at(rows, best);
      };
    },
  };
}
