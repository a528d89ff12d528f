import { powerOfTwo } from './dyadic.ts';

/**
 * Buckets of doubles, log-linear in their bits: each octave [2^k, 2^(k+1)) in 2^bits buckets of one width, denormals too; 0 has the bucket 0, a
 * negative value that of its magnitude, negated. So buckets ascend with their values, and the middle of one is within 2^-(bits + 1) of each
 * value in it, relative to that value.
 */
const OCTAVES_BELOW_NORMAL = 51;
/** All that doubles have, denormals too. */
export const OCTAVES = 2098;
/** Takes every denormal into the normal doubles, by 52 octaves, exactly. */
const UP = 2 ** 52;

const float = new Float64Array(1);
const words = new Uint32Array(float.buffer);
const HIGH = new Uint32Array(new BigUint64Array([1n]).buffer)[0] === 1 ? 1 : 0;

/** How many buckets a window may have at most: those of 64 octaves. */
export function mostBuckets(bits: number): number {
  return 64 * 2 ** bits;
}

/**
 * The bucket of a finite double.
 *
 * @param bits 0 to 9: buckets of an octave, as a power of two
 * @example
 * bucketOf(6)(1) === bucketOf(6)(1.015); // 1/64 wide
 */
export function bucketOf(bits: number): (value: number) => number {
  const shift = 20 - bits;
  const first = OCTAVES_BELOW_NORMAL * 2 ** bits + 1;
  return (value) => {
    float[0] = value;
    let high = words[HIGH]! & 0x7fffffff;
    let least = first;
    if (high < 0x100000) {
      if (value === 0) return 0;
      float[0] = value * UP;
      high = words[HIGH]! & 0x7fffffff;
      least -= 52 << bits;
    }
    const bucket = (high >>> shift) + least;
    return value < 0 ? -bucket : bucket;
  };
}

/**
 * The double that stands for a bucket: its middle, or the one double in it. NaN of what is no bucket.
 *
 * @example
 * middleOf(6)(bucketOf(6)(1)); // 1.0078125
 */
export function middleOf(bits: number): (bucket: number) => number {
  const perOctave = 2 ** bits;
  return (bucket) => {
    if (bucket === 0) return 0;
    const magnitude = Math.abs(bucket) - 1;
    const octave = Math.floor(magnitude / perOctave);
    const step = perOctave + (magnitude % perOctave);
    if (octave >= OCTAVES) return Number.NaN;
    let middle = (2 * step + 1) * powerOfTwo(octave - 1075 - bits);
    if (octave <= bits) {
      // So near to 0 an octave has fewer doubles than buckets.
      const double = step / 2 ** (bits - octave);
      middle = Number.isInteger(double) ? double * Number.MIN_VALUE : Number.NaN;
    }
    return bucket < 0 ? -middle : middle;
  };
}
