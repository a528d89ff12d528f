import { VALUE_OUT_OF_RANGE } from '../values/cell.ts';
import type { PartialReducer, PartialShape } from './partial-reducer.ts';
import type { RowPlace } from './tile-rows.ts';

export const countShape: PartialShape = { emptyCells: [0], emptyRefs: [] };

/** `count()` of rows and `count(x)` of non-nulls: one cell. */
export function createCount({ cell, cellStride }: RowPlace): PartialReducer {
  return {
    add(rows, row) {
      rows.cells[row * cellStride + cell]!++;
    },
    merge(rows, row, from, fromRow) {
      rows.cells[row * cellStride + cell]! += from.cells[fromRow * cellStride + cell]!;
    },
    encode(rows, row, writer) {
      writer.unsigned(rows.cells[row * cellStride + cell]!);
    },
    decode(rows, row, reader) {
      rows.cells[row * cellStride + cell] = reader.unsigned();
    },
    reader() {
      return (rows, from, to) => {
        const { cells } = rows;
        let count = 0;
        for (let at = from * cellStride + cell, end = to * cellStride; at < end; at += cellStride) count += cells[at]!;
        return count <= Number.MAX_SAFE_INTEGER ? count : VALUE_OUT_OF_RANGE;
      };
    },
  };
}
