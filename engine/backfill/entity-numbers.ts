import type { ScalarValue } from '../values/field-type.ts';

type Level = Map<ScalarValue, Level | number>;

/** Measured: a map's entry and its room to grow, the copied key and its place in the list. */
const BYTES_PER_KEY = 120;
/** A map of its own, which each further part of a key may need. */
const BYTES_PER_LEVEL = 220;
/** A text's head; a character outside of Latin-1 takes two bytes. */
const BYTES_PER_TEXT = 20;
const BYTES_PER_NUMBER = 20;

/**
 * Numbers entities from 0, by their join key values. Values are looked up as they are, level by level: a key's text would have to be put
 * together and hashed for every event, while the parts are mostly strings that came before.
 */
export class EntityNumbers {
  #root: Level = new Map();
  readonly #keys: (readonly ScalarValue[])[] = [];
  #bytes = 0;

  /** The keys, in the order of their numbers. */
  get keys(): readonly (readonly ScalarValue[])[] {
    return this.#keys;
  }

  /** About what they take of the heap. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The number of an entity, a new one where it was not seen; `key` is copied. */
  of(key: readonly ScalarValue[]): number {
    let level = this.#root;
    const last = key.length - 1;
    for (let index = 0; index < last; index++) {
      const value = key[index] as ScalarValue;
      let next = level.get(value) as Level | undefined;
      if (next === undefined) level.set(value, (next = new Map()));
      level = next;
    }
    const value = key[last] as ScalarValue;
    const known = level.get(value) as number | undefined;
    if (known !== undefined) return known;
    const number = this.#keys.length;
    level.set(value, number);
    this.#keys.push(key.slice());
    this.#bytes += bytesOf(key);
    return number;
  }

  clear(): void {
    this.#root = new Map();
    this.#keys.length = 0;
    this.#bytes = 0;
  }
}

function bytesOf(key: readonly ScalarValue[]): number {
  let bytes = BYTES_PER_KEY + (key.length - 1) * BYTES_PER_LEVEL;
  for (const part of key) bytes += typeof part === 'string' ? BYTES_PER_TEXT + part.length * 2 : BYTES_PER_NUMBER;
  return bytes;
}
