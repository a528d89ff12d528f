import { type Cell, VALUE_OUT_OF_RANGE } from '../values/cell.ts';
import type { ScalarType, ScalarValue } from '../values/field-type.ts';
import type { FeatureLayout } from '../define/view-layout.ts';
import { internalBug } from '../errors/millrace-error.ts';
import { scaledOfDecimal } from '../values/decimal-text.ts';
import { addInteger, integerAt, setInteger, totalDyadic, totalInteger } from './exact-sum.ts';
import type { PartialReducer, PartialShape } from './partial-reducer.ts';
import { doubleOfRatio, doubleOfRootRatio } from './ratio.ts';
import { addSquare, mergeSquares, readSquares, totalSquares, writeSquares } from './square-sum.ts';
import { countOf, createSum, sumShape } from './sum.ts';
import type { RowPlace, TileRows } from './tile-rows.ts';

/** The cells and ref of a sum (`sumShape`), then the exact sum of squares: m and e of doubles, one cell else; the ref holds what outgrows them. */
export function momentsShape(input: ScalarType): PartialShape {
  const { emptyCells, emptyRefs } = sumShape(input);
  return {
    emptyCells: [...emptyCells, ...(input.kind === 'double' ? [0, 0] : [0])],
    emptyRefs: [...emptyRefs, null],
  };
}

/** The exact sum of squares of one partial, as `createMoments` puts it beside the sum. */
interface Squares {
  add(rows: TileRows, row: number, value: NonNullable<ScalarValue>): void;
  merge(rows: TileRows, row: number, from: TileRows, fromRow: number): void;
  encode: PartialReducer['encode'];
  decode: PartialReducer['decode'];
}

/** n, the exact sum and the exact sum of squares, which `variance` and `stddev` share, and `sum` and `avg` with them. */
export function createMoments(input: ScalarType, place: RowPlace): PartialReducer {
  const sum = createSum(input, place);
  const { emptyCells, emptyRefs } = sumShape(input);
  const squaresPlace = { ...place, cell: place.cell + emptyCells.length, ref: place.ref + emptyRefs.length };
  const sumPlace = { ...place, cell: place.cell + 1 };
  const squares = input.kind === 'double' ? doubleSquares(squaresPlace) : integerSquares(input, squaresPlace);
  const isEmpty = (rows: TileRows, row: number): boolean => rows.cells[row * place.cellStride + place.cell] === 0;
  return {
    add(rows, row, event, value) {
      sum.add(rows, row, event, value);
      squares.add(rows, row, value);
    },
    merge(rows, row, from, fromRow) {
      sum.merge(rows, row, from, fromRow);
      squares.merge(rows, row, from, fromRow);
    },
    encode(rows, row, writer) {
      sum.encode(rows, row, writer);
      if (!isEmpty(rows, row)) squares.encode(rows, row, writer);
    },
    decode(rows, row, reader, newestEventTimeUs) {
      sum.decode(rows, row, reader, newestEventTimeUs);
      if (!isEmpty(rows, row)) squares.decode(rows, row, reader, newestEventTimeUs);
    },
    reader(feature) {
      const { aggregate } = feature;
      if (aggregate === 'sum' || aggregate === 'avg') return sum.reader(feature);
      const spread = spreadOf(input, feature);
      const least = feature.population === true ? 1 : 2;
      return (rows, from, to) => {
        const count = countOf(rows, from, to, place);
        if (count < least) return null;
        if (!Number.isSafeInteger(count)) return VALUE_OUT_OF_RANGE;
        if (input.kind === 'double') {
          const total = totalDyadic(rows, from, to, sumPlace);
          const ofSquares = totalSquares(rows, from, to, squaresPlace);
          // Both in units that the square of the sum and the sum of squares are whole numbers of.
          const e = Math.min(total.e * 2, ofSquares.e);
          const squareOfSum = (BigInt(total.m) ** 2n) << BigInt(total.e * 2 - e);
          return spread(count, squareOfSum, ofSquares.m << BigInt(ofSquares.e - e), e);
        }
        const total = totalInteger(rows, from, to, sumPlace);
        const ofSquares = totalInteger(rows, from, to, squaresPlace);
        const square = typeof total === 'number' ? total * total : Number.NaN;
        return Number.isSafeInteger(square)
          ? spread(count, square, ofSquares, 0)
          : spread(count, BigInt(total) ** 2n, ofSquares, 0);
      };
    },
  };
}

/** The square of the sum and the sum of squares, both times 2^e: what a feature makes of them, rounded once. */
type Spread = (count: number, squareOfSum: number | bigint, sumOfSquares: number | bigint, e: number) => Cell;

function spreadOf(input: ScalarType, { name, aggregate, population }: FeatureLayout): Spread {
  if (aggregate !== 'variance' && aggregate !== 'stddev')
    throw internalBug(`feature "${name}" reads a ${aggregate} from moments`);
  const isRoot = aggregate === 'stddev';
  const rounded = isRoot ? doubleOfRootRatio : doubleOfRatio;
  const less = population === true ? 0 : 1;
  const scale = input.kind === 'decimal' ? input.scale : 0;
  const unit = 10n ** BigInt(2 * scale);
  return (count, squareOfSum, sumOfSquares, e) => {
    if (!isRoot && scale === 0 && e === 0 && typeof sumOfSquares === 'number' && typeof squareOfSum === 'number') {
      const numerator = count * sumOfSquares;
      const denominator = count * (count - less);
      // While both are safe, and their difference with them, one division of whole numbers rounds once.
      if (Number.isSafeInteger(numerator) && Number.isSafeInteger(denominator) && numerator >= squareOfSum)
        return (numerator - squareOfSum) / denominator;
    }
    const n = BigInt(count);
    const numerator = n * BigInt(sumOfSquares) - BigInt(squareOfSum);
    // No values have such sums, unless somebody made up their state.
    if (numerator < 0n) return VALUE_OUT_OF_RANGE;
    const value = rounded(numerator, n * (n - BigInt(less)) * unit, e);
    return Number.isFinite(value) ? value : VALUE_OUT_OF_RANGE;
  };
}

function integerSquares(input: ScalarType, { cell, ref, cellStride, refStride }: RowPlace): Squares {
  const toInteger =
    input.kind === 'decimal'
      ? (value: ScalarValue) => scaledOfDecimal(value as string)
      : (value: ScalarValue) => value as number | bigint;
  const squareOf = (value: number | bigint): number | bigint => {
    const square = typeof value === 'number' ? value * value : Number.NaN;
    return Number.isSafeInteger(square) ? square : BigInt(value) ** 2n;
  };
  return {
    add(rows, row, value) {
      addInteger(rows, row * cellStride + cell, row * refStride + ref, squareOf(toInteger(value)));
    },
    merge(rows, row, from, fromRow) {
      const fromAt = fromRow * cellStride + cell;
      const sum = from.cells[fromAt]!;
      const exact = Number.isNaN(sum) ? integerAt(from, fromAt, fromRow * refStride + ref) : sum;
      addInteger(rows, row * cellStride + cell, row * refStride + ref, exact);
    },
    encode(rows, row, writer) {
      const at = row * cellStride + cell;
      const sum = rows.cells[at]!;
      writer.signed(Number.isNaN(sum) ? integerAt(rows, at, row * refStride + ref) : sum);
    },
    decode(rows, row, reader) {
      const at = row * cellStride + cell;
      const sum = reader.signed();
      if (typeof sum === 'number') rows.cells[at] = sum;
      else setInteger(rows, at, row * refStride + ref, sum);
    },
  };
}

function doubleSquares({ cell, ref, cellStride, refStride }: RowPlace): Squares {
  return {
    add(rows, row, value) {
      addSquare(rows, row * cellStride + cell, row * refStride + ref, value as number);
    },
    merge(rows, row, from, fromRow) {
      const fromCell = fromRow * cellStride + cell;
      mergeSquares(rows, row * cellStride + cell, row * refStride + ref, from, fromCell, fromRow * refStride + ref);
    },
    encode(rows, row, writer) {
      writeSquares(rows, row * cellStride + cell, row * refStride + ref, writer);
    },
    decode(rows, row, reader) {
      readSquares(rows, row * cellStride + cell, row * refStride + ref, reader);
    },
  };
}
