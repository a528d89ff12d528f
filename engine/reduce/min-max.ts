import type { ScalarType } from '../values/field-type.ts';
import { comparisonOf } from '../values/compare.ts';
import { cellOfValue, heldInCell, refOfValue, valueOfCell } from './held-value.ts';
import type { PartialReducer, PartialShape } from './partial-reducer.ts';
import type { HeldRef, RowPlace } from './tile-rows.ts';
import { optionalValueCodec } from './value-codec.ts';

/** One cell (NaN: nothing yet) or one ref (null). */
export function minMaxShape(input: ScalarType): PartialShape {
  return heldInCell(input) ? { emptyCells: [Number.NaN], emptyRefs: [] } : { emptyCells: [], emptyRefs: [null] };
}

/** The least or greatest non-null value in the order of its type. */
export function createMinMax(kind: 'min' | 'max', input: ScalarType, place: RowPlace): PartialReducer {
  return heldInCell(input) ? createInCell(kind, input, place) : createInRef(kind, input, place);
}

function createInCell(kind: 'min' | 'max', input: ScalarType, { cell, cellStride }: RowPlace): PartialReducer {
  const codec = optionalValueCodec(input);
  const toValue = valueOfCell(input);
  // NaN compares false with everything: an empty cell is beaten by any value, and beats none.
  const beats =
    kind === 'min'
      ? (value: number, held: number) => value < held || Number.isNaN(held)
      : (value: number, held: number) => value > held || Number.isNaN(held);
  return {
    add(rows, row, _event, value) {
      const at = row * cellStride + cell;
      const offered = cellOfValue(value);
      if (beats(offered, rows.cells[at]!)) rows.cells[at] = offered;
    },
    merge(rows, row, from, fromRow) {
      const at = row * cellStride + cell;
      const offered = from.cells[fromRow * cellStride + cell]!;
      if (beats(offered, rows.cells[at]!)) rows.cells[at] = offered;
    },
    encode(rows, row, writer) {
      const held = rows.cells[row * cellStride + cell]!;
      codec.write(writer, Number.isNaN(held) ? null : toValue(held));
    },
    decode(rows, row, reader) {
      const value = codec.read(reader);
      if (value !== null) rows.cells[row * cellStride + cell] = cellOfValue(value);
    },
    reader() {
      return (rows, from, to) => {
        const { cells } = rows;
        let best = Number.NaN;
        for (let at = from * cellStride + cell, end = to * cellStride; at < end; at += cellStride) {
          const offered = cells[at]!;
          if (beats(offered, best)) best = offered;
        }
        return Number.isNaN(best) ? null : toValue(best);
      };
    },
  };
}

function createInRef(kind: 'min' | 'max', input: ScalarType, { ref, refStride }: RowPlace): PartialReducer {
  const codec = optionalValueCodec(input);
  const compare = comparisonOf(input);
  const sign = kind === 'min' ? -1 : 1;
  return {
    add(rows, row, _event, value) {
      const at = row * refStride + ref;
      const offered = refOfValue(value);
      const held = rows.refs[at]! as HeldRef | null;
      if (held === null || sign * compare(offered, held) > 0) rows.refs[at] = offered;
    },
    merge(rows, row, from, fromRow) {
      const at = row * refStride + ref;
      const offered = from.refs[fromRow * refStride + ref]! as HeldRef | null;
      const held = rows.refs[at]! as HeldRef | null;
      if (offered !== null && (held === null || sign * compare(offered, held) > 0)) rows.refs[at] = offered;
    },
    encode(rows, row, writer) {
      codec.write(writer, rows.refs[row * refStride + ref]! as HeldRef | null);
    },
    decode(rows, row, reader) {
      rows.refs[row * refStride + ref] = codec.read(reader) as string | bigint | null;
    },
    reader() {
      return (rows, from, to) => {
        let best: string | bigint | null = null;
        for (let row = from; row < to; row++) {
          const offered = rows.refs[row * refStride + ref]! as HeldRef | null;
          if (offered !== null && (best === null || sign * compare(offered, best) > 0)) best = offered;
        }
        return best;
      };
    },
  };
}
