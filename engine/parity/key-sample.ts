import { hash } from 'node:crypto';
import type { ScalarType, ScalarValue } from '../values/field-type.ts';
import type { ViewLayout } from '../define/view-layout.ts';
import { ident } from '../postgres/sql.ts';

/** Entities are in the sample whose hash is below this, of 2^32. */
const FULL = 2 ** 32;

/**
 * A stable sample of entities by the hash of their keys: the same entities at every audit, and the same ones in Postgres and here, so that
 * an entity the store lacks is noticed as well as one it has too many.
 */
export class KeySample {
  readonly #texts: readonly ((value: ScalarValue) => string)[];
  readonly #layout: ViewLayout;
  /** Exclusive. */
  readonly below: number;

  /** @param fraction of all entities, 0 to 1 */
  constructor(layout: ViewLayout, fraction: number) {
    this.#layout = layout;
    this.#texts = layout.keys.map(({ type }) => keyTextOf(type));
    this.below = fraction >= 1 ? FULL : Math.floor(fraction * FULL);
  }

  get isAll(): boolean {
    return this.below === FULL;
  }

  takes(key: readonly ScalarValue[]): boolean {
    return this.isAll || this.hashOf(key) < this.below;
  }

  /** What entities are drawn by, [0, 2^32). */
  hashOf(key: readonly ScalarValue[]): number {
    const text = this.#texts.map((textOf, index) => textOf(key[index]!)).join('\u0001');
    return hash('sha256', text, 'buffer').readUInt32BE(0);
  }

  /** The condition on a row of the state table that says the same as `takes`. */
  get condition(): string {
    if (this.isAll) return 'true';
    const texts = this.#layout.keys.map(({ name, type }) => keySqlOf(ident(name), type));
    const digest = `sha256(convert_to(concat_ws(E'\\x01', ${texts.join(', ')}), 'UTF8'))`;
    return `('x' || encode(substr(${digest}, 1, 4), 'hex'))::bit(32)::bigint < ${this.below}`;
  }
}

function keyTextOf(type: ScalarType): (value: ScalarValue) => string {
  if (type.kind !== 'double') return String;
  // The shortest text of a double is not the same in Postgres and here; its bytes are.
  const bytes = Buffer.alloc(8);
  return (value) => {
    bytes.writeDoubleBE(value as number);
    return bytes.toString('hex');
  };
}

function keySqlOf(column: string, type: ScalarType): string {
  switch (type.kind) {
    case 'double':
      return `encode(float8send(${column}), 'hex')`;
    case 'timestamp':
      return `(extract(epoch FROM ${column}) * 1000000)::bigint::text`;
    case 'string':
    case 'enum':
    case 'boolean':
    case 'int':
    case 'int64':
    case 'decimal':
    case 'date':
      return `${column}::text`;
  }
}
