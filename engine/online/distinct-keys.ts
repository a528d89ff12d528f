import { keyText } from '../define/key-text.ts';
import type { ScalarValue } from '../values/field-type.ts';

type Key = readonly ScalarValue[];

/** Entities that several blocks of one view ask for: each once, and where those of each block are among them. */
export interface DistinctKeys {
  readonly keys: readonly Key[];
  /** Per block and entity: its place in `keys`. */
  readonly places: readonly (readonly number[])[];
}

/**
 * Puts together what the blocks of a view ask for, so that an entity that several name is read once.
 *
 * @param asked join key values in layout order, per block and entity
 * @example
 * distinctKeys([[['LAS']], [['PHL']], [['LAS']]]); // { keys: [['LAS'], ['PHL']], places: [[0], [1], [0]] }
 */
export function distinctKeys(asked: readonly (readonly Key[])[]): DistinctKeys {
  const [only, ...others] = asked;
  // A view that is in no roles: what is asked for twice is the caller's own doing, and answered twice.
  if (only !== undefined && others.length === 0) return { keys: only, places: [only.map((_, index) => index)] };
  const keys: Key[] = [];
  const known = new Map<string, number>();
  const places = asked.map((own) =>
    own.map((key) => {
      const text = keyText(key);
      const place = known.get(text) ?? keys.length;
      if (place === keys.length) {
        known.set(text, place);
        keys.push(key);
      }
      return place;
    }),
  );
  return { keys, places };
}
