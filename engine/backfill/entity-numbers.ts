import type { ScalarValue } from '../values/field-type.ts';

type Level = Map<ScalarValue, Level | number>;

/**
 * Numbers entities from 0, by their join key values. Values are looked up as they are, level by level: a key's text would have to be put
 * together and hashed for every event, while the parts are mostly strings that came before.
 */
export class EntityNumbers {
  #root: Level = new Map();
  readonly #keys: (readonly ScalarValue[])[] = [];

  /** The keys, in the order of their numbers. */
  get keys(): readonly (readonly ScalarValue[])[] {
    return this.#keys;
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
    return number;
  }

  clear(): void {
    this.#root = new Map();
    this.#keys.length = 0;
  }
}
