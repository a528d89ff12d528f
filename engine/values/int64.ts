/** The least int64, -2^63. */
export const INT64_MIN = -(2n ** 63n);
/** The greatest int64, 2^63 - 1. */
export const INT64_MAX = 2n ** 63n - 1n;

const integerText = /^-?(?:0|[1-9]\d{0,18})$/;

/** The int64 of a plain integer text (no `+`, no leading zero, no exponent), or undefined. */
export function int64OfText(text: string): bigint | undefined {
  return integerText.test(text) ? int64OfBigint(BigInt(text)) : undefined;
}

/** The value itself where it is an int64, else undefined. */
export function int64OfBigint(value: bigint): bigint | undefined {
  return value >= INT64_MIN && value <= INT64_MAX ? value : undefined;
}
