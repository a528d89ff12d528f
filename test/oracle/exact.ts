/** Exact sums, rounded once, written from design §5 alone. */
import { type OracleScalar, type OracleType, scaledInteger } from './order.ts';

/** A result that does not fit its type: the value is null and the error is `value-out-of-range`. */
export const OUT_OF_RANGE = Symbol('value-out-of-range');
/** More distinct values or categories than the limit: `too-many-distinct`. */
export const TOO_MANY_DISTINCT = Symbol('too-many-distinct');
export type OracleValue = OracleScalar | null | typeof OUT_OF_RANGE | typeof TOO_MANY_DISTINCT;

/** A number as a count of 10^-scale (decimals), of 2^-1074 (doubles), of 1 (integers). */
function unitsOf(type: OracleType, value: OracleScalar): bigint {
  if (type.kind === 'decimal') return scaledInteger(value, type.scale);
  if (type.kind === 'double') return leastDoubles(value as number);
  return BigInt(value);
}

/** A finite double is a whole number of 2^-1074: its bits say which. */
function leastDoubles(value: number): bigint {
  if (!Number.isFinite(value)) throw new RangeError(`no real number: ${value}`);
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, value);
  const all = bits.getBigUint64(0);
  const exponent = (all >> 52n) & 0x7ffn;
  const fraction = all & 0xf_ffff_ffff_ffffn;
  const magnitude = exponent === 0n ? fraction : (fraction | (1n << 52n)) << (exponent - 1n);
  return all >> 63n === 1n ? -magnitude : magnitude;
}

/** The double next to `units` · 2^-1074, ties to even; ±Infinity where none is next. */
function doubleOfLeast(units: bigint): number {
  const magnitude = units < 0n ? -units : units;
  const dropped = BigInt(Math.max(0, magnitude.toString(2).length - 53));
  const floor = magnitude >> dropped;
  const rest = magnitude - (floor << dropped);
  const half = dropped === 0n ? 0n : 1n << (dropped - 1n);
  const up = dropped > 0n && (rest > half || (rest === half && floor % 2n === 1n));
  const rounded = Number(up ? floor + 1n : floor);
  // Two exact steps, so that the power itself stays a double.
  const exponent = Number(dropped) - 1074;
  const value = rounded * 2 ** Math.max(exponent, -1000) * 2 ** Math.min(exponent + 1000, 0);
  return units < 0n ? -value : value;
}

/** The exact sum as the double next to it. */
function roundedSum(type: OracleType, values: readonly OracleScalar[]): number {
  const units = values.reduce<bigint>((sum, value) => sum + unitsOf(type, value), 0n);
  if (type.kind === 'double') return doubleOfLeast(units);
  // ECMAScript reads a numeral of any length as the double next to it.
  return Number(type.kind === 'decimal' ? decimalText(units, type.scale) : units);
}

/** Integers: int64, of `z.int()` a safe number. decimal(p,s): decimal(38,s). Doubles: double. Null of nothing. */
export function exactSum(type: OracleType, values: readonly OracleScalar[]): OracleValue {
  if (values.length === 0) return null;
  if (type.kind === 'double') return fitting(roundedSum(type, values));
  const units = values.reduce<bigint>((sum, value) => sum + unitsOf(type, value), 0n);
  const magnitude = units < 0n ? -units : units;
  if (type.kind === 'decimal') return magnitude < 10n ** 38n ? decimalText(units, type.scale) : OUT_OF_RANGE;
  if (type.kind === 'int64') return units >= -(2n ** 63n) && units < 2n ** 63n ? units : OUT_OF_RANGE;
  return magnitude <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(units) : OUT_OF_RANGE;
}

/** The rounded sum divided once by the count. */
export function exactAvg(type: OracleType, values: readonly OracleScalar[]): OracleValue {
  return values.length === 0 ? null : fitting(roundedSum(type, values) / values.length);
}

/** "n·Σx² − (Σx)² over n(n−1) (population: n²), exact, rounded once"; null below 2 (1) values. */
export function exactVariance(type: OracleType, values: readonly OracleScalar[], population: boolean): OracleValue {
  const variance = varianceOf(type, values, population);
  return variance === null ? null : fitting(nearest(variance, (double) => double));
}

/** "the correctly rounded root of that rational" */
export function exactStddev(type: OracleType, values: readonly OracleScalar[], population: boolean): OracleValue {
  const variance = varianceOf(type, values, population);
  // A double and the middle of two lie below the root where their squares lie below the variance.
  return variance === null ? null : fitting(nearest(variance, (double) => double * double));
}

/** In units of 2^-1074 squared: of the doubles' own, or of what makes whole numbers of decimals. */
interface Rational {
  readonly over: bigint;
  readonly under: bigint;
}

function varianceOf(type: OracleType, values: readonly OracleScalar[], population: boolean): Rational | null {
  const n = BigInt(values.length);
  if (n < (population ? 1n : 2n)) return null;
  const units = values.map((value) => unitsOf(type, value));
  const sum = units.reduce((total, unit) => total + unit, 0n);
  const squares = units.reduce((total, unit) => total + unit * unit, 0n);
  const perOne = type.kind === 'double' ? LEAST : type.kind === 'decimal' ? 10n ** BigInt(type.scale) : 1n;
  return { over: n * squares - sum * sum, under: n * (population ? n : n - 1n) * perOne * perOne };
}

/** How many of 2^-1074 are in 1. */
const LEAST = 2n ** 1074n;

/**
 * The double next to the root of `power` (x, or x²) at a rational, ties to even, by bisection over all doubles that are not negative: their
 * bits, as whole numbers, are in their order. Infinity where the middle of the greatest double and 2^1024 is not above it.
 */
function nearest({ over, under }: Rational, power: (exact: bigint) => bigint): number {
  if (over === 0n) return 0;
  const one = power(LEAST);
  // Half units make whole numbers of middles.
  const isAtMost = (halves: bigint): number => {
    const left = power(halves) * under;
    const right = over * one * power(2n);
    return left < right ? -1 : left > right ? 1 : 0;
  };
  const view = new DataView(new ArrayBuffer(8));
  const doubleAt = (bits: bigint): number => {
    view.setBigUint64(0, bits);
    return view.getFloat64(0);
  };
  let low = 0n;
  let high = 0x7ff0_0000_0000_0000n;
  while (high - low > 1n) {
    const middle = (low + high) / 2n;
    if (isAtMost(leastDoubles(doubleAt(middle)) * 2n) <= 0) low = middle;
    else high = middle;
  }
  const below = leastDoubles(doubleAt(low));
  const above = high === 0x7ff0_0000_0000_0000n ? 2n ** (1024n + 1074n) : leastDoubles(doubleAt(high));
  const side = isAtMost(below + above);
  // The middle is above: it is nearer to the lower one. Even bits are an even last place.
  const isLower = side > 0 || (side === 0 && low % 2n === 0n);
  return doubleAt(isLower ? low : high);
}

/** −0 is 0. */
function fitting(value: number): OracleValue {
  if (!Number.isFinite(value)) return OUT_OF_RANGE;
  return value === 0 ? 0 : value;
}

/** An integer divided by 10^scale, with all its digits. */
function decimalText(units: bigint, scale: number): string {
  const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, '0');
  const point = digits.length - scale;
  const text = scale === 0 ? digits : `${digits.slice(0, point)}.${digits.slice(point)}`;
  return units < 0n ? `-${text}` : text;
}

/**
 * "the exact answer is sorted[floor(q·(n−1))], 0-based, never interpolated", of numbers rounded to doubles; given is the middle of the bucket it
 * lies in, of which an octave has the fewest, a power of two, with which no middle is further than `accuracy` from a value.
 */
export function nearQuantile(type: OracleType, values: readonly OracleScalar[], q: number, accuracy: number): number {
  const units = values.map((value) => leastDoubles(roundedSum(type, [value]))).toSorted((a, b) => (a < b ? -1 : 1));
  const exact = units[Number((scaledInteger(q, 30) * BigInt(values.length - 1)) / 10n ** 30n)]!;
  const magnitude = exact < 0n ? -exact : exact;
  if (magnitude === 0n) return 0;
  let perOctave = 1n;
  while (1 / Number(2n * perOctave) > accuracy) perOctave *= 2n;
  const octave = 2n ** BigInt(magnitude.toString(2).length - 1);
  const width = octave / perOctave;
  // Doubles lie no closer than one unit: a bucket of one has that one alone.
  const middle = width < 2n ? magnitude : magnitude - (magnitude % width) + width / 2n;
  return doubleOfLeast(exact < 0n ? -middle : middle);
}

/** A list as the engine carries it. */
export function nearQuantiles(
  type: OracleType,
  values: readonly OracleScalar[],
  quantiles: readonly number[],
  accuracy: number,
): string {
  return `[${quantiles.map((q) => nearQuantile(type, values, q, accuracy)).join(',')}]`;
}
