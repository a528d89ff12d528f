import type { ScalarType, ScalarValue } from '../values/field-type.ts';
import { canonicalBytes } from './value-codec.ts';

/** A value's hash is one of so many. */
export const HASHES = 2 ** 53;

const C1 = 0x239b961b;
const C2 = 0xab0e9789;
const C3 = 0x38b34ae5;
const C4 = 0xa1e38b93;

/**
 * The hash of a value that counts distinct ones: of its canonical bytes, the first 53 bits of MurmurHash3_x86_128 with seed 0 (its first word, then
 * the upper 21 bits of its second). Fixed for ever: states hold it. It keeps out nobody who chooses values for their hashes.
 *
 * @example
 * valueHash({ kind: 'string' })('a'); // a safe integer, not negative
 */
export function valueHash(type: ScalarType): (value: NonNullable<ScalarValue>) => number {
  return (value) => {
    const [first, second] = murmur(canonicalBytes(type, value));
    return first * 0x200000 + (second >>> 11);
  };
}

/** The first two of the four words of MurmurHash3_x86_128 with seed 0, by its author's code (Austin Appleby, in the public domain). */
export function murmur(bytes: Uint8Array): readonly [first: number, second: number] {
  const { length } = bytes;
  let h1 = 0;
  let h2 = 0;
  let h3 = 0;
  let h4 = 0;
  const whole = length - (length % 16);
  for (let at = 0; at < whole; at += 16) {
    h1 ^= Math.imul(rotate(Math.imul(wordAt(bytes, at), C1), 15), C2);
    h1 = (Math.imul((rotate(h1, 19) + h2) | 0, 5) + 0x561ccd1b) | 0;
    h2 ^= Math.imul(rotate(Math.imul(wordAt(bytes, at + 4), C2), 16), C3);
    h2 = (Math.imul((rotate(h2, 17) + h3) | 0, 5) + 0x0bcaa747) | 0;
    h3 ^= Math.imul(rotate(Math.imul(wordAt(bytes, at + 8), C3), 17), C4);
    h3 = (Math.imul((rotate(h3, 15) + h4) | 0, 5) + 0x96cd1c35) | 0;
    h4 ^= Math.imul(rotate(Math.imul(wordAt(bytes, at + 12), C4), 18), C1);
    h4 = (Math.imul((rotate(h4, 13) + h1) | 0, 5) + 0x32ac3b17) | 0;
  }
  // Of the rest a word that has no byte is 0, and changes nothing.
  h4 ^= Math.imul(rotate(Math.imul(wordAt(bytes, whole + 12), C4), 18), C1);
  h3 ^= Math.imul(rotate(Math.imul(wordAt(bytes, whole + 8), C3), 17), C4);
  h2 ^= Math.imul(rotate(Math.imul(wordAt(bytes, whole + 4), C2), 16), C3);
  h1 ^= Math.imul(rotate(Math.imul(wordAt(bytes, whole), C1), 15), C2);
  h1 ^= length;
  h2 ^= length;
  h3 ^= length;
  h4 ^= length;
  h1 = (h1 + h2 + h3 + h4) | 0;
  h2 = finished((h2 + h1) | 0);
  h3 = finished((h3 + h1) | 0);
  h4 = finished((h4 + h1) | 0);
  h1 = (finished(h1) + h2 + h3 + h4) | 0;
  return [h1 >>> 0, (h2 + h1) >>> 0];
}

/** Four bytes, little-endian; those beyond the end are 0. */
function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24);
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

function finished(word: number): number {
  let mixed = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
