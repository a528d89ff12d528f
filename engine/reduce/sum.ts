import { type Cell, VALUE_OUT_OF_RANGE } from '../values/cell.ts';
import type { ScalarType, ScalarValue } from '../values/field-type.ts';
import type { FeatureLayout } from '../define/view-layout.ts';
import { internalBug } from '../errors/millrace-error.ts';
import { decimalOfScaled, MAX_DECIMAL_PRECISION, scaledOfDecimal } from '../values/decimal-text.ts';
import { INT64_MAX, INT64_MIN } from '../values/int64.ts';
import {
  addDouble,
  addInteger,
  integerAt,
  mergeDouble,
  readDyadic,
  setInteger,
  totalDouble,
  totalInteger,
  writeDyadic,
} from './exact-sum.ts';
import type { PartialReducer, PartialShape } from './partial-reducer.ts';
import type { RowPlace, TileRows } from './tile-rows.ts';

const DECIMAL_LIMIT = 10n ** BigInt(MAX_DECIMAL_PRECISION);

/** Cells: the number of non-nulls, then the exact sum (two cells for doubles). The ref holds sums that outgrow the cells. */
export function sumShape(input: ScalarType): PartialShape {
  return { emptyCells: input.kind === 'double' ? [0, 0, 0] : [0, 0], emptyRefs: [null] };
}

/** The exact sum and count of non-nulls, which `sum` and `avg` share. */
export function createSum(input: ScalarType, place: RowPlace): PartialReducer {
  return input.kind === 'double' ? createDoubleSum(place) : createIntegerSum(input, place);
}

function createIntegerSum(input: ScalarType, place: RowPlace): PartialReducer {
  const { cell, ref, cellStride, refStride } = place;
  const sumPlace = { ...place, cell: cell + 1 };
  const toInteger =
    input.kind === 'decimal'
      ? (value: ScalarValue) => scaledOfDecimal(value as string)
      : (value: ScalarValue) => value as number | bigint;
  return {
    add(rows, row, _event, value) {
      const at = row * cellStride + cell;
      rows.cells[at]!++;
      addInteger(rows, at + 1, row * refStride + ref, toInteger(value));
    },
    merge(rows, row, from, fromRow) {
      const at = row * cellStride + cell;
      const fromAt = fromRow * cellStride + cell;
      rows.cells[at]! += from.cells[fromAt]!;
      const sum = from.cells[fromAt + 1]!;
      const exact = Number.isNaN(sum) ? integerAt(from, fromAt + 1, fromRow * refStride + ref) : sum;
      addInteger(rows, at + 1, row * refStride + ref, exact);
    },
    encode(rows, row, writer) {
      const at = row * cellStride + cell;
      writer.unsigned(rows.cells[at]!);
      if (rows.cells[at] === 0) return;
      const sum = rows.cells[at + 1]!;
      writer.signed(Number.isNaN(sum) ? integerAt(rows, at + 1, row * refStride + ref) : sum);
    },
    decode(rows, row, reader) {
      const at = row * cellStride + cell;
      const count = reader.unsigned();
      rows.cells[at] = count;
      if (count === 0) return;
      const sum = reader.signed();
      if (typeof sum === 'number') rows.cells[at + 1] = sum;
      else setInteger(rows, at + 1, row * refStride + ref, sum);
    },
    reader(feature) {
      const finish = integerFinish(input, feature);
      return (rows, from, to) => {
        const count = countOf(rows, from, to, place);
        return count === 0 ? null : finish(totalInteger(rows, from, to, sumPlace), count);
      };
    },
  };
}

function createDoubleSum(place: RowPlace): PartialReducer {
  const { cell, ref, cellStride, refStride } = place;
  const sumPlace = { ...place, cell: cell + 1 };
  return {
    add(rows, row, _event, value) {
      const at = row * cellStride + cell;
      rows.cells[at]!++;
      addDouble(rows, at + 1, row * refStride + ref, value as number);
    },
    merge(rows, row, from, fromRow) {
      const at = row * cellStride + cell;
      const fromAt = fromRow * cellStride + cell;
      rows.cells[at]! += from.cells[fromAt]!;
      mergeDouble(rows, at + 1, row * refStride + ref, from, fromAt + 1, fromRow * refStride + ref);
    },
    encode(rows, row, writer) {
      const at = row * cellStride + cell;
      writer.unsigned(rows.cells[at]!);
      if (rows.cells[at] === 0) return;
      writeDyadic(rows, at + 1, row * refStride + ref, writer);
    },
    decode(rows, row, reader) {
      const at = row * cellStride + cell;
      const count = reader.unsigned();
      rows.cells[at] = count;
      if (count === 0) return;
      readDyadic(rows, at + 1, row * refStride + ref, reader);
    },
    reader(feature) {
      const average = isAverage(feature);
      return (rows, from, to) => {
        const count = countOf(rows, from, to, place);
        if (count === 0) return null;
        const total = totalDouble(rows, from, to, sumPlace);
        if (!Number.isFinite(total)) return VALUE_OUT_OF_RANGE;
        // + 0: a mean that underflows is 0, not -0.
        return average ? total / count + 0 : total + 0;
      };
    },
  };
}

/** The number of non-nulls in rows [from, to). */
export function countOf(rows: TileRows, from: number, to: number, { cell, cellStride }: RowPlace): number {
  const { cells } = rows;
  let count = 0;
  for (let at = from * cellStride + cell, end = to * cellStride; at < end; at += cellStride) count += cells[at]!;
  return count;
}

function isAverage(feature: FeatureLayout): boolean {
  if (feature.aggregate === 'avg') return true;
  if (feature.aggregate === 'sum') return false;
  throw internalBug(`feature "${feature.name}" reads a ${feature.aggregate} from a sum`);
}

/** What becomes of the exact total of integers: the feature's result, or that it does not fit. */
function integerFinish(input: ScalarType, feature: FeatureLayout): (total: number | bigint, count: number) => Cell {
  if (isAverage(feature)) {
    if (input.kind !== 'decimal') return (total, count) => mean(Number(total), count);
    // Number() of decimal text rounds correctly; a division by a power of ten would round twice.
    const { scale } = input;
    return (total, count) => mean(Number(decimalOfScaled(total, scale)), count);
  }
  if (input.kind === 'decimal') {
    const { scale } = input;
    return (total) => {
      const fits = typeof total === 'number' || (total < DECIMAL_LIMIT && total > -DECIMAL_LIMIT);
      return fits ? decimalOfScaled(total, scale) : VALUE_OUT_OF_RANGE;
    };
  }
  if (input.kind === 'int64') {
    return (total) => {
      const value = BigInt(total);
      return value < INT64_MIN || value > INT64_MAX ? VALUE_OUT_OF_RANGE : value;
    };
  }
  return (total) => (typeof total === 'bigint' ? VALUE_OUT_OF_RANGE : total);
}

/** The rounded sum divided once by the count. No sum of integers is beyond the doubles, unless somebody made up its state. */
function mean(rounded: number, count: number): Cell {
  return Number.isFinite(rounded) ? rounded / count : VALUE_OUT_OF_RANGE;
}
