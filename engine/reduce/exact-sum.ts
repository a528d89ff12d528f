import type { ByteReader } from './byte-reader.ts';
import type { ByteWriter } from './byte-writer.ts';
import type { Dyadic } from './dyadic.ts';
import {
  doubleOfFixed,
  dyadicOfDouble,
  dyadicOfFixed,
  dyadicOfPair,
  fixedOfDouble,
  fixedOfDyadic,
  powerOfTwo,
} from './dyadic.ts';
import type { RowPlace, TileRows } from './tile-rows.ts';

/** Where a pair is written without bigints: its mantissa in units of 2^48, and what the upper part must stay below. */
const SPLIT = 2 ** 48;
const PAIR_BITS = 2 ** 101;

/** Where a pair leaves the fast lane, far below overflow. */
const PAIR_LIMIT = 2 ** 1000;

/**
 * An exact sum of doubles as a pair `high + low` with `high` the correctly rounded sum: exact while the sum has at most about 106 significant bits.
 * `add` says false, and changes nothing, where it would not be exact; the caller then goes on with bigints.
 */
export class PairSum {
  high = 0;
  low = 0;

  add(value: number): boolean {
    const { high, low } = this;
    // Knuth's TwoSum: sum + error is exactly high + value. NaN (the mark of the slow lane) and huge values fail the comparison.
    const sum = high + value;
    if (!(Math.abs(sum) < PAIR_LIMIT)) return false;
    const virtual = sum - high;
    const error = high - (sum - virtual) + (value - virtual);
    if (error === 0 && low === 0) {
      this.high = sum;
      return true;
    }
    const rest = low + error;
    const virtualRest = rest - low;
    if (low - (rest - virtualRest) + (error - virtualRest) !== 0) return false;
    const total = sum + rest;
    const virtualTotal = total - sum;
    this.high = total;
    this.low = sum - (total - virtualTotal) + (rest - virtualTotal);
    return true;
  }
}

/** Shared by all calls: a sum is loaded, added to and stored again without allocating. */
const pair = new PairSum();

/** Adds a value to an integer sum in `cells[cell]`: a safe integer, or NaN while the exact sum is the bigint `refs[ref]`. */
export function addInteger(rows: TileRows, cell: number, ref: number, value: number | bigint): void {
  const { cells } = rows;
  // A bigint beyond the safe integers converts to an unsafe number, so the check of the sum below refuses it too.
  const step = typeof value === 'number' ? value : Number(value);
  const sum = cells[cell]! + step;
  if (Number.isSafeInteger(sum) && Number.isSafeInteger(step)) cells[cell] = sum;
  else setInteger(rows, cell, ref, integerAt(rows, cell, ref) + BigInt(value));
}

/** The exact integer sum at a place, as a bigint. */
export function integerAt(rows: TileRows, cell: number, ref: number): bigint {
  const sum = rows.cells[cell]!;
  return Number.isNaN(sum) ? (rows.refs[ref] as bigint) : BigInt(sum);
}

/** Stores an integer sum in the narrowest lane. */
export function setInteger(rows: TileRows, cell: number, ref: number, sum: bigint): void {
  const number = Number(sum);
  const safe = Number.isSafeInteger(number);
  rows.cells[cell] = safe ? number : Number.NaN;
  rows.refs[ref] = safe ? null : sum;
}

/** The exact total of the integer sums of rows [from, to): a number while safe, else a bigint. */
export function totalInteger(rows: TileRows, from: number, to: number, place: RowPlace): number | bigint {
  const { cells } = rows;
  let total = 0;
  let magnitude = 0;
  for (let row = from; row < to; row++) {
    const sum = cells[row * place.cellStride + place.cell]!;
    total += sum;
    magnitude += Math.abs(sum);
  }
  // While the magnitudes add up to a safe integer, no step can have rounded. NaN fails the comparison.
  if (magnitude <= Number.MAX_SAFE_INTEGER) return total;
  let exact = 0n;
  for (let row = from; row < to; row++) {
    exact += integerAt(rows, row * place.cellStride + place.cell, row * place.refStride + place.ref);
  }
  const number = Number(exact);
  return Number.isSafeInteger(number) ? number : exact;
}

/** Adds a double to the sum in `cells[cell] + cells[cell + 1]`, or, while the former is NaN, the fixed bigint `refs[ref]`. */
export function addDouble(rows: TileRows, cell: number, ref: number, value: number): void {
  const { cells } = rows;
  pair.high = cells[cell]!;
  pair.low = cells[cell + 1]!;
  if (pair.add(value)) {
    cells[cell] = pair.high;
    cells[cell + 1] = pair.low;
  } else {
    setFixed(rows, cell, ref, fixedAt(rows, cell, ref) + fixedOfDouble(value));
  }
}

/** Adds the double sum of another row. */
export function mergeDouble(
  rows: TileRows,
  cell: number,
  ref: number,
  from: TileRows,
  fromCell: number,
  fromRef: number,
): void {
  const { cells } = rows;
  pair.high = cells[cell]!;
  pair.low = cells[cell + 1]!;
  if (pair.add(from.cells[fromCell]!) && pair.add(from.cells[fromCell + 1]!)) {
    cells[cell] = pair.high;
    cells[cell + 1] = pair.low;
  } else {
    setFixed(rows, cell, ref, fixedAt(rows, cell, ref) + fixedAt(from, fromCell, fromRef));
  }
}

/** Writes the double sum at a place: `s(m)`, and `s(e)` unless `m` is 0. */
export function writeDyadic(rows: TileRows, cell: number, ref: number, writer: ByteWriter): void {
  const high = rows.cells[cell]!;
  const low = rows.cells[cell + 1]!;
  if (low !== 0 && writePair(high, low, writer)) return;
  const { m, e } = Number.isNaN(high)
    ? dyadicOfFixed(rows.refs[ref] as bigint)
    : low === 0
      ? dyadicOfDouble(high)
      : dyadicOfPair(high, low);
  writer.signed(m);
  if (m !== 0) writer.signed(e);
}

/** Writes a pair whose mantissa has at most 101 bits without a bigint; false, and nothing written, for a longer one. */
function writePair(high: number, low: number, writer: ByteWriter): boolean {
  const { m, e } = dyadicOfDouble(low);
  if (e < -1000 || e > 900) return false;
  const magnitude = Math.abs(high) * powerOfTwo(-e);
  if (magnitude >= PAIR_BITS) return false;
  const upper = Math.floor(magnitude / SPLIT);
  // `low` is at most half a unit of `high`: below 2^48 in units of 2^e.
  const lower = magnitude - upper * SPLIT + (high < 0 ? -m : m);
  const carry = Math.floor(lower / SPLIT);
  writer.signedSplit(high < 0, upper + carry, lower - carry * SPLIT);
  writer.signed(e);
  return true;
}

/** Reads what `writeDyadic` wrote into an empty place, in the fast lane where it fits. Throws `state-corrupt`. */
export function readDyadic(rows: TileRows, cell: number, ref: number, reader: ByteReader): void {
  if (!reader.signedPair()) {
    setDyadic(rows, cell, ref, readLongDyadic(reader));
    return;
  }
  const { high, low, odd } = reader;
  if (high === 0) return;
  const e = reader.signedSafe();
  if (!odd || !isExponent(e)) reader.corrupt('a sum of doubles is not in canonical form');
  const scale = powerOfTwo(e);
  // Both parts are multiples of 2^-1074 below the limit: scaling does not round.
  if (Math.abs(high) * scale < PAIR_LIMIT) {
    rows.cells[cell] = high * scale;
    rows.cells[cell + 1] = low * scale;
  } else {
    setFixed(rows, cell, ref, fixedOfDyadic({ m: BigInt(high) + BigInt(low), e }));
  }
}

function readLongDyadic(reader: ByteReader): Dyadic {
  const m = BigInt(reader.signed());
  const e = reader.signedSafe();
  if ((m & 1n) === 0n || !isExponent(e)) reader.corrupt('a sum of doubles is not in canonical form');
  return { m, e };
}

/** The lowest bit of a sum of doubles is no lower than theirs, and it has no more than 2^53 terms. */
function isExponent(e: number): boolean {
  return e >= -1074 && e <= 1100;
}

/** Stores a sum of more than 101 bits at an empty place: as a pair where its lower bits are all zero. */
function setDyadic(rows: TileRows, cell: number, ref: number, sum: Dyadic): void {
  const high = Number(sum.m);
  const scale = powerOfTwo(sum.e);
  if (Number.isFinite(high) && Math.abs(high) * scale < PAIR_LIMIT) {
    const rest = BigInt(sum.m) - BigInt(high);
    const low = Number(rest);
    if (BigInt(low) === rest) {
      rows.cells[cell] = high * scale;
      rows.cells[cell + 1] = low * scale;
      return;
    }
  }
  setFixed(rows, cell, ref, fixedOfDyadic(sum));
}

/** The exact total of double sums, correctly rounded once; ±Infinity beyond the double range. */
export function totalDouble(rows: TileRows, from: number, to: number, place: RowPlace): number {
  const { cells } = rows;
  pair.high = 0;
  pair.low = 0;
  for (let row = from; row < to; row++) {
    const at = row * place.cellStride + place.cell;
    const low = cells[at + 1]!;
    if (!pair.add(cells[at]!) || (low !== 0 && !pair.add(low))) return doubleOfFixed(totalFixed(rows, from, to, place));
  }
  return pair.high;
}

/** The exact total of double sums. */
export function totalDyadic(rows: TileRows, from: number, to: number, place: RowPlace): Dyadic {
  const { cells } = rows;
  pair.high = 0;
  pair.low = 0;
  for (let row = from; row < to; row++) {
    const at = row * place.cellStride + place.cell;
    const low = cells[at + 1]!;
    if (!pair.add(cells[at]!) || (low !== 0 && !pair.add(low))) return dyadicOfFixed(totalFixed(rows, from, to, place));
  }
  return pair.low === 0 ? dyadicOfDouble(pair.high) : dyadicOfPair(pair.high, pair.low);
}

/** The exact total of double sums, counted in 2^-1074. */
function totalFixed(rows: TileRows, from: number, to: number, place: RowPlace): bigint {
  let exact = 0n;
  for (let row = from; row < to; row++) {
    exact += fixedAt(rows, row * place.cellStride + place.cell, row * place.refStride + place.ref);
  }
  return exact;
}

function fixedAt(rows: TileRows, cell: number, ref: number): bigint {
  const high = rows.cells[cell]!;
  return Number.isNaN(high) ? (rows.refs[ref] as bigint) : fixedOfDouble(high) + fixedOfDouble(rows.cells[cell + 1]!);
}

function setFixed(rows: TileRows, cell: number, ref: number, fixed: bigint): void {
  rows.cells[cell] = Number.NaN;
  rows.cells[cell + 1] = 0;
  rows.refs[ref] = fixed;
}
