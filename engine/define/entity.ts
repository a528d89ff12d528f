import type { Shape } from '../contract/row-of.ts';
import { type About, aboutOf } from './about.ts';

/** What features are about: a name and its join keys. */
export interface Entity<Name extends string = string, Keys extends Shape = Shape> {
  readonly kind: 'entity';
  readonly name: Name;
  readonly keys: Keys;
  readonly about?: About | undefined;
}

/**
 * Names what features are about, with its join keys in order. Key types: `z.string()`, `z.enum()`, `z.boolean()`, `z.int()`,
 * `z.int64()`, `decimal()`, `z.iso.date()`, `z.iso.datetime()`, without checks and never null. Faults are reported by `millrace plan`.
 *
 * @example
 * export const route = entity('route', { origin: z.string(), destination: z.string() }, { description: 'From where to where.' });
 */
export function entity<const Name extends string, Keys extends Shape>(
  name: Name,
  keys: Keys,
  about: About = {},
): Entity<Name, Keys> {
  const told = aboutOf(about);
  return Object.freeze({ kind: 'entity', name, keys, ...(told === undefined ? {} : { about: told }) });
}
