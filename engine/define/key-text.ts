import type { ScalarValue } from '../values/field-type.ts';

/**
 * The canonical text of join key values, in layout order: unique per entity, usable as a Map key and for hashing. Values of one key
 * have one type, and text holds no NUL, so NUL separates them safely.
 *
 * @example
 * keyText(['LAS', 7]); // 'LAS\u00007'
 */
export function keyText(values: readonly ScalarValue[]): string {
  const first = values[0];
  let text = typeof first === 'string' ? first : String(first);
  for (let index = 1; index < values.length; index += 1) {
    const value = values[index];
    text += `\0${typeof value === 'string' ? value : String(value)}`;
  }
  return text;
}
