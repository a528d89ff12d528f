import { bitLength, powerOfTwo } from './dyadic.ts';

/** Bits of a quotient or a root that are kept: beyond those of a double, so that one bit more for what was cut off rounds as the whole would. */
const KEPT_BITS = 66;
const LOWEST_EXPONENT = -1074;
const DOUBLE_BITS = 53;

/**
 * The real number `numerator · 2^e / denominator` as a double, correctly rounded (ties to even); Infinity beyond the doubles.
 *
 * @param numerator not negative
 * @param denominator positive
 * @example doubleOfRatio(2n, 3n, 0) // 0.6666666666666666
 */
export function doubleOfRatio(numerator: bigint, denominator: bigint, e: number): number {
  if (numerator === 0n) return 0;
  const shift = Math.max(0, KEPT_BITS - bitLength(numerator) + bitLength(denominator));
  const scaled = numerator << BigInt(shift);
  const quotient = scaled / denominator;
  return roundedOf(quotient, quotient * denominator !== scaled, e - shift);
}

/** The square root of that number, correctly rounded. */
export function doubleOfRootRatio(numerator: bigint, denominator: bigint, e: number): number {
  if (numerator === 0n) return 0;
  const least = Math.max(0, 2 * KEPT_BITS - bitLength(numerator) + bitLength(denominator));
  // The root of a power of two is one where its exponent is even.
  const shift = (e - least) % 2 === 0 ? least : least + 1;
  const scaled = numerator << BigInt(shift);
  const quotient = scaled / denominator;
  const root = integerRoot(quotient);
  const isCut = root * root !== quotient || quotient * denominator !== scaled;
  return roundedOf(root, isCut, (e - shift) / 2);
}

/** `(m + less than 1, if isCut) · 2^e`, where m has more bits than a double: rounded once. */
function roundedOf(m: bigint, isCut: boolean, e: number): number {
  const exponent = Math.max(bitLength(m) + e - DOUBLE_BITS, LOWEST_EXPONENT);
  const dropped = BigInt(exponent - e);
  const floor = m >> dropped;
  const rest = m - (floor << dropped);
  const half = 1n << (dropped - 1n);
  const isUp = rest > half || (rest === half && (isCut || (floor & 1n) === 1n));
  return Number(isUp ? floor + 1n : floor) * powerOfTwo(exponent);
}

/** The greatest integer whose square is at most `square`, which has at least 100 bits. */
function integerRoot(square: bigint): bigint {
  // A first guess right to about 50 bits; each step doubles them.
  const excess = bitLength(square) - 100;
  const shift = BigInt(excess + (excess & 1));
  let root = BigInt(Math.floor(Math.sqrt(Number(square >> shift)))) << (shift / 2n);
  for (;;) {
    const next = (root + square / root) >> 1n;
    const step = next > root ? next - root : root - next;
    root = next;
    if (step <= 1n) break;
  }
  while (root * root > square) root -= 1n;
  while ((root + 1n) * (root + 1n) <= square) root += 1n;
  return root;
}
