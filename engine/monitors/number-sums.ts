import type { ByteReader } from '../reduce/byte-reader.ts';
import type { ByteWriter } from '../reduce/byte-writer.ts';
import {
  addDouble,
  addInteger,
  integerAt,
  mergeDouble,
  readDyadic,
  setInteger,
  totalDouble,
  writeDyadic,
} from '../reduce/exact-sum.ts';
import { doubleOfRatio } from '../reduce/ratio.ts';
import { addSquares, mergeSquares, readSquares, totalSquares, writeSquares } from '../reduce/square-sum.ts';
import type { TileRows } from '../reduce/tile-rows.ts';

const SQUARES_CELL = { cell: 2, ref: 1, cellStride: 4, refStride: 2, hopUs: null };
const SUM_CELL = { cell: 0, ref: 0, cellStride: 4, refStride: 2, hopUs: null };

/** The exact sum of numbers and of their squares: of doubles, or of whole numbers that stand for decimals of one scale. */
export class NumberSums {
  readonly #isDouble: boolean;
  /** A row of `reduce`: the sum in cells 0 and 1, the squares in 2 and 3. */
  readonly #row: TileRows = { cells: [0, 0, 0, 0], refs: [null, null], head: 0 };

  constructor(isDouble: boolean) {
    this.#isDouble = isDouble;
  }

  /** Takes a number so many times. A bigint is never a double. */
  add(value: number | bigint, times: number): void {
    const row = this.#row;
    if (!this.#isDouble) {
      const product = typeof value === 'number' ? value * times : Number.NaN;
      addInteger(row, 0, 0, Number.isSafeInteger(product) ? product : BigInt(value) * BigInt(times));
      const square = typeof value === 'number' ? value * product : Number.NaN;
      addInteger(row, 2, 1, Number.isSafeInteger(square) ? square : BigInt(value) ** 2n * BigInt(times));
      return;
    }
    const double = value as number;
    if (double === 0) return;
    addTimes(row, double, times);
    addSquares(row, 2, 1, double, times);
  }

  merge({ row }: NumberSums): void {
    const own = this.#row;
    if (this.#isDouble) {
      mergeDouble(own, 0, 0, row, 0, 0);
      mergeSquares(own, 2, 1, row, 2, 1);
    } else {
      addInteger(own, 0, 0, lane(row, 0, 0));
      addInteger(own, 2, 1, lane(row, 2, 1));
    }
  }

  /** Not to be changed. */
  get row(): TileRows {
    return this.#row;
  }

  encode(writer: ByteWriter): void {
    if (this.#isDouble) {
      writeDyadic(this.#row, 0, 0, writer);
      writeSquares(this.#row, 2, 1, writer);
    } else {
      writer.signed(lane(this.#row, 0, 0));
      writer.signed(lane(this.#row, 2, 1));
    }
  }

  /** Reads what `encode` wrote into a new one. */
  decode(reader: ByteReader): void {
    if (this.#isDouble) {
      readDyadic(this.#row, 0, 0, reader);
      readSquares(this.#row, 2, 1, reader);
      return;
    }
    setInteger(this.#row, 0, 0, BigInt(reader.signed()));
    setInteger(this.#row, 2, 1, BigInt(reader.signed()));
  }

  /** Each rounded once; Infinity beyond the doubles. @param scale of decimals, else 0 */
  totals(scale: number): { readonly sum: number; readonly squares: number } {
    if (this.#isDouble) {
      const { m, e } = totalSquares(this.#row, 0, 1, SQUARES_CELL);
      return { sum: totalDouble(this.#row, 0, 1, SUM_CELL), squares: doubleOfRatio(m, 1n, e) };
    }
    const unit = 10n ** BigInt(scale);
    return {
      sum: quotient(integerAt(this.#row, 0, 0), unit),
      squares: quotient(integerAt(this.#row, 2, 1), unit * unit),
    };
  }
}

/** The product of a double and a count is exact, but where it would overflow or its digits are too many. */
function addTimes(row: TileRows, value: number, times: number): void {
  const product = value * times;
  if (Number.isSafeInteger(value) && Number.isSafeInteger(product)) addDouble(row, 0, 0, product);
  else for (let time = 0; time < times; time++) addDouble(row, 0, 0, value);
}

function lane(row: TileRows, cell: number, ref: number): number | bigint {
  const sum = row.cells[cell]!;
  return Number.isNaN(sum) ? integerAt(row, cell, ref) : sum;
}

function quotient(numerator: bigint, denominator: bigint): number {
  const magnitude = doubleOfRatio(numerator < 0n ? -numerator : numerator, denominator, 0);
  return numerator < 0n ? -magnitude : magnitude;
}
