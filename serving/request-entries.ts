import { MillraceError } from '../engine/errors/millrace-error.ts';
import { placeOf } from '../engine/online/entity-key.ts';

/** One entity of a request: its join keys, and what only the caller knows beside them. */
export interface RequestEntry {
  readonly keys: Readonly<Record<string, unknown>>;
  /** Undefined: nothing was given. */
  readonly request: unknown;
}

/**
 * The entities of a request, each either its join keys or `{ keys, request }`: no join key is an object, so `keys` that is one tells.
 *
 * @throws MillraceError `invalid-request` for anything beside `keys` and `request`
 */
export function requestEntries(entities: readonly Readonly<Record<string, unknown>>[]): RequestEntry[] {
  return entities.map((given, index) => {
    const { keys, ...others } = given;
    if (typeof keys !== 'object' || keys === null || Array.isArray(keys)) return { keys: given, request: undefined };
    const stray = Object.keys(others).find((name) => name !== 'request');
    if (stray !== undefined) {
      throw new MillraceError(
        'invalid-request',
        `${placeOf(index, entities.length)}"${stray}" stands beside "keys"; expected "keys" and "request" alone`,
        { remedy: 'Give { "keys": { … }, "request": { … } }, or the join keys alone.', details: { field: stray } },
      );
    }
    return { keys: keys as Readonly<Record<string, unknown>>, request: others['request'] };
  });
}
