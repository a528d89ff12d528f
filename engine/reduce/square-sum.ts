import type { ByteReader } from './byte-reader.ts';
import type { ByteWriter } from './byte-writer.ts';
import { type Dyadic, dyadicOf, dyadicOfDouble } from './dyadic.ts';
import type { RowPlace, TileRows } from './tile-rows.ts';

/** The lowest bit of the square of a double, and more than the highest of a sum of 2^53 such. */
const LOWEST = -2148;
const HIGHEST = 2200;
/** Bytes of the longest such sum. */
const LONGEST = 640;
/** Squares of whole numbers up to it are safe. */
const SAFE_ROOT = 94_906_265;

/**
 * The exact sum of squares of doubles, `m · 2^e` at a place: the cells m (a safe integer, or NaN while it is the bigint in the ref) and e.
 * Lanes and exponents show neither in bytes nor in results.
 */
export function addSquare(rows: TileRows, cell: number, ref: number, value: number): void {
  const { cells } = rows;
  const square = value * value;
  if (Number.isInteger(value) && value <= SAFE_ROOT && value >= -SAFE_ROOT && cells[cell + 1] === 0) {
    const sum = cells[cell]! + square;
    // NaN is not safe.
    if (Number.isSafeInteger(sum)) {
      cells[cell] = sum;
      return;
    }
  }
  const { m, e } = dyadicOfDouble(value);
  if (m === 0) return;
  const isSmall = m <= SAFE_ROOT && m >= -SAFE_ROOT;
  addDyadic(rows, cell, ref, isSmall ? m * m : BigInt(m) * BigInt(m), e * 2);
}

/** Adds the square of a value so many times. */
export function addSquares(rows: TileRows, cell: number, ref: number, value: number, times: number): void {
  const { m, e } = dyadicOfDouble(value);
  if (m === 0) return;
  const squares = m * m * times;
  addDyadic(rows, cell, ref, Number.isSafeInteger(squares) ? squares : BigInt(m) * BigInt(m) * BigInt(times), e * 2);
}

/** Adds the sum of another row. */
export function mergeSquares(
  rows: TileRows,
  cell: number,
  ref: number,
  from: TileRows,
  fromCell: number,
  fromRef: number,
): void {
  const m = mantissaAt(from, fromCell, fromRef);
  if (m !== 0) addDyadic(rows, cell, ref, m, from.cells[fromCell + 1]!);
}

/** Writes `s(m)`, and `s(e)` unless `m` is 0. */
export function writeSquares(rows: TileRows, cell: number, ref: number, writer: ByteWriter): void {
  const { m, e } = dyadicAt(rows, cell, ref);
  writer.signed(m);
  if (m !== 0) writer.signed(e);
}

/** Reads what `writeSquares` wrote into an empty place. Throws `state-corrupt`. */
export function readSquares(rows: TileRows, cell: number, ref: number, reader: ByteReader): void {
  const m = reader.signedUpTo(LONGEST);
  if (m === 0) return;
  const e = reader.signedSafe();
  const isOdd = typeof m === 'number' ? m % 2 !== 0 : (m & 1n) === 1n;
  if (!isOdd || e < LOWEST || e > HIGHEST) reader.corrupt('a sum of squares is not in canonical form');
  store(rows, cell, ref, m, e);
}

/** The exact total of rows [from, to), as a bigint of units of 2^e. */
export function totalSquares(rows: TileRows, from: number, to: number, place: RowPlace): { m: bigint; e: number } {
  const { cell, ref, cellStride, refStride } = place;
  let e = Number.POSITIVE_INFINITY;
  for (let row = from; row < to; row++) {
    const at = row * cellStride + cell;
    if (rows.cells[at] !== 0) e = Math.min(e, rows.cells[at + 1]!);
  }
  if (e === Number.POSITIVE_INFINITY) return { m: 0n, e: 0 };
  let m = 0n;
  for (let row = from; row < to; row++) {
    const at = row * cellStride + cell;
    if (rows.cells[at] === 0) continue;
    m += BigInt(mantissaAt(rows, at, row * refStride + ref)) << BigInt(rows.cells[at + 1]! - e);
  }
  return { m, e };
}

function addDyadic(rows: TileRows, cell: number, ref: number, m: number | bigint, e: number): void {
  const { cells } = rows;
  const held = cells[cell]!;
  if (held === 0) {
    store(rows, cell, ref, m, e);
    return;
  }
  const heldE = cells[cell + 1]!;
  if (e === heldE && typeof m === 'number') {
    const sum = held + m;
    if (Number.isSafeInteger(sum)) {
      // Made up sums of squares can be negative, and cancel.
      store(rows, cell, ref, sum, sum === 0 ? 0 : e);
      return;
    }
  }
  const least = Math.min(e, heldE);
  const sum = (BigInt(mantissaAt(rows, cell, ref)) << BigInt(heldE - least)) + (BigInt(m) << BigInt(e - least));
  store(rows, cell, ref, sum, sum === 0n ? 0 : least);
}

function store({ cells, refs }: TileRows, cell: number, ref: number, m: number | bigint, e: number): void {
  const number = Number(m);
  const isSafe = Number.isSafeInteger(number);
  cells[cell] = isSafe ? number : Number.NaN;
  cells[cell + 1] = e;
  refs[ref] = isSafe ? null : (m as bigint);
}

function mantissaAt({ cells, refs }: TileRows, cell: number, ref: number): number | bigint {
  const held = cells[cell]!;
  return Number.isNaN(held) ? (refs[ref] as bigint) : held;
}

function dyadicAt(rows: TileRows, cell: number, ref: number): Dyadic {
  const m = mantissaAt(rows, cell, ref);
  const shift = rows.cells[cell + 1]!;
  if (typeof m === 'bigint') return dyadicOf(m, shift);
  const { m: odd, e } = dyadicOfDouble(m);
  return { m: odd, e: odd === 0 ? 0 : e + shift };
}
