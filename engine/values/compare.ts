import type { ScalarType, ScalarValue } from './field-type.ts';

/** Negative, zero or positive, as `a` sorts before, with or after `b`. */
export type Comparison = (a: NonNullable<ScalarValue>, b: NonNullable<ScalarValue>) => number;

/**
 * The order of a type's values, everywhere in Millrace: numbers by value, false before true, strings and enums by their UTF-8 bytes,
 * dates and timestamps by time. Takes values as rows hold them; strings must be well-formed.
 */
export function comparisonOf(type: ScalarType): Comparison {
  switch (type.kind) {
    case 'string':
    case 'enum':
    case 'date':
      return (a, b) => compareUtf8(a as string, b as string);
    case 'decimal':
      return (a, b) => compareDecimal(a as string, b as string);
    case 'boolean':
    case 'int':
    case 'int64':
    case 'double':
    case 'timestamp':
      return (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  }
}

/** Compares well-formed strings by their UTF-8 bytes, which is by code points (JavaScript's `<` differs beyond U+FFFF). */
export function compareUtf8(a: string, b: string): number {
  if (a === b) return 0;
  const shorter = Math.min(a.length, b.length);
  for (let at = 0; at < shorter; at++) {
    const left = a.charCodeAt(at);
    const right = b.charCodeAt(at);
    if (left !== right) return rank(left) - rank(right);
  }
  return a.length - b.length;
}

/** Code units in code point order: surrogates stand for code points above all others. */
function rank(unit: number): number {
  return unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

/** Compares canonical decimals of one scale by value. */
export function compareDecimal(a: string, b: string): number {
  const negative = a.startsWith('-');
  if (negative !== b.startsWith('-')) return negative ? -1 : 1;
  // Canonical digits of one scale: the longer is the greater magnitude, equal lengths compare as text.
  const magnitude = a.length !== b.length ? a.length - b.length : a < b ? -1 : a > b ? 1 : 0;
  return negative ? 0 - magnitude : magnitude;
}

/**
 * The order of event ids, which events keep as text: integers (canonical decimal) by value, texts by their UTF-8 bytes.
 *
 * @example
 * idComparisonOf('integer-id')('9', '10'); // negative
 */
export function idComparisonOf(tieBreak: 'id' | 'integer-id'): (a: string, b: string) => number {
  return tieBreak === 'integer-id' ? compareDecimal : compareUtf8;
}
