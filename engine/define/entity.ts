import type { Shape } from '../contract/row-of.ts';

/** What features are about: a name and its join keys. */
export interface Entity<Name extends string = string, Keys extends Shape = Shape> {
  readonly kind: 'entity';
  readonly name: Name;
  readonly keys: Keys;
}

/**
 * Names what features are about, with its join keys in order. Key types: `z.string()`, `z.enum()`, `z.boolean()`, `z.int()`,
 * `z.int64()`, `decimal()`, `z.iso.date()`, `z.iso.datetime()`, without checks and never null. Faults are reported by `millrace plan`.
 *
 * @example
 * export const route = entity('route', { origin: z.string(), destination: z.string() });
 */
export function entity<const Name extends string, Keys extends Shape>(name: Name, keys: Keys): Entity<Name, Keys> {
  return Object.freeze({ kind: 'entity', name, keys });
}
