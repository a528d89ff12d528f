/**
 * Doubles as exact dyadic numbers `m · 2^e`: every finite double, and every sum of them, is one. Canonical: `m` odd, or 0 with `e` 0.
 */
export interface Dyadic {
  readonly m: number | bigint;
  readonly e: number;
}

/** Every finite double is a multiple of 2^-1074; a "fixed" bigint counts those. */
const FIXED_BITS = 1074;

// Built by exact doublings: `**` is not promised to be exact for subnormal powers.
const powers: number[] = [];
for (let power = Number.MIN_VALUE; power !== Number.POSITIVE_INFINITY; power *= 2) powers.push(power);

/** 2^e, exactly, for -1074 <= e <= 1023; Infinity above. */
export function powerOfTwo(e: number): number {
  return powers[e + FIXED_BITS] ?? Number.POSITIVE_INFINITY;
}

const float = new Float64Array(1);
const words = new Uint32Array(float.buffer);
const [LOW, HIGH] = new Uint32Array(new BigUint64Array([1n]).buffer)[0] === 1 ? [0, 1] : [1, 0];

/** The canonical `m · 2^e` of a finite double; `m` is a safe integer. Allocates only the result. */
export function dyadicOfDouble(value: number): { m: number; e: number } {
  if (Number.isSafeInteger(value)) {
    if (value === 0) return { m: 0, e: 0 };
    return strip(value, 0);
  }
  float[0] = value;
  const high = words[HIGH]!;
  const exponent = (high >>> 20) & 0x7ff;
  const fraction = (high & 0xfffff) * 0x100000000 + words[LOW]!;
  const mantissa = exponent === 0 ? fraction : fraction + 0x10000000000000;
  return strip(high >>> 31 === 1 ? -mantissa : mantissa, exponent === 0 ? -FIXED_BITS : exponent - 1075);
}

/** Takes the factors of two out of a non-zero safe integer. */
function strip(mantissa: number, exponent: number): { m: number; e: number } {
  // `|` takes its operand modulo 2^32.
  const low = mantissa | 0;
  if (low !== 0) {
    const zeros = 31 - Math.clz32(low & -low);
    return zeros === 0 ? { m: mantissa, e: exponent } : { m: mantissa / ((1 << zeros) >>> 0), e: exponent + zeros };
  }
  const high = mantissa / 0x100000000;
  const zeros = 31 - Math.clz32(high & -high);
  return { m: high / (1 << zeros), e: exponent + 32 + zeros };
}

/** A finite double as a count of 2^-1074. */
export function fixedOfDouble(value: number): bigint {
  const { m, e } = dyadicOfDouble(value);
  return BigInt(m) << BigInt(e + FIXED_BITS);
}

/** `m · 2^e` as a count of 2^-1074; `e` must be at least -1074. */
export function fixedOfDyadic({ m, e }: Dyadic): bigint {
  return BigInt(m) << BigInt(e + FIXED_BITS);
}

/** The canonical `m · 2^e` of a count of 2^-1074. */
export function dyadicOfFixed(fixed: bigint): Dyadic {
  return dyadicOf(fixed, -FIXED_BITS);
}

/** The canonical form of `m · 2^e`. */
export function dyadicOf(mantissa: bigint, exponent: number): Dyadic {
  if (mantissa === 0n) return { m: 0, e: 0 };
  const zeros = bitLength(mantissa & -mantissa) - 1;
  const m = mantissa >> BigInt(zeros);
  const number = Number(m);
  return { m: Number.isSafeInteger(number) ? number : m, e: zeros + exponent };
}

/** The canonical `m · 2^e` of the sum of a non-overlapping pair with `low` not 0: the lowest bit of `low` is the lowest of the sum. */
export function dyadicOfPair(high: number, low: number): Dyadic {
  const { m: lowM, e } = dyadicOfDouble(low);
  const upper = dyadicOfDouble(high);
  const m = (BigInt(upper.m) << BigInt(upper.e - e)) + BigInt(lowM);
  const number = Number(m);
  return { m: Number.isSafeInteger(number) ? number : m, e };
}

/** A count of 2^-1074 as a double, correctly rounded (ties to even); ±Infinity beyond the double range. */
export function doubleOfFixed(fixed: bigint): number {
  const negative = fixed < 0n;
  const magnitude = negative ? -fixed : fixed;
  const excess = bitLength(magnitude) - 64;
  if (excess <= 0) {
    // At most 64 bits: one rounding, by Number(); scaling is then exact, for everything below 2^53 is a multiple of 2^-1074.
    const small = Number(magnitude) * Number.MIN_VALUE;
    return negative ? -small + 0 : small;
  }
  const shift = BigInt(excess);
  const top = magnitude >> shift;
  const sticky = top << shift === magnitude ? 0n : 1n;
  // 64 bits and a sticky bit: Number() rounds them as it would round the whole, and the product is exact or overflows.
  const rounded = Number(top | sticky) * powerOfTwo(excess - FIXED_BITS);
  return negative ? -rounded : rounded;
}

/** Of a number that is not negative. */
export function bitLength(magnitude: bigint): number {
  if (magnitude === 0n) return 0;
  const hex = magnitude.toString(16);
  return hex.length * 4 - (Math.clz32(Number.parseInt(hex[0]!, 16)) - 28);
}
