import type { ScalarValue } from '../values/field-type.ts';
import { keyHash } from '../training/hash-range.ts';

/** Measured: a map's entry, the copied key with its texts, and the place in two lists. */
const BYTES_PER_ENTITY = 320;
const BYTES_PER_CHARACTER = 4;

/** An entity of a sample. */
export interface SampledEntity {
  readonly keyText: string;
  readonly key: readonly ScalarValue[];
  readonly hash: number;
  /** Under which its state is held. */
  readonly number: number;
}

/** The order in which entities are taken: by the hash of their key, then its text. */
export function byHash(a: SampledEntity, b: SampledEntity): number {
  return a.hash - b.hash || (a.keyText < b.keyText ? -1 : a.keyText > b.keyText ? 1 : 0);
}

/**
 * The entities with the smallest hashes, of all that come: all of them where they are few enough. What is left out never comes back, so
 * an entity of the sample has had all of its events; and the smallest of two samples together are the smallest of all.
 */
export class EntitySample {
  readonly #byKey = new Map<string, SampledEntity>();
  readonly #drop: (number: number) => void;
  #most: number;
  #next = 0;
  #bytes = 0;
  /** The last one taken; null: all are. */
  #last: SampledEntity | null = null;

  /** @param drop told of the number of each entity that is left out after all */
  constructor(most: number, drop: (number: number) => void) {
    this.#most = most;
    this.#drop = drop;
  }

  get count(): number {
    return this.#byKey.size;
  }

  /** About what it takes of the heap. */
  get bytes(): number {
    return this.#bytes;
  }

  /** False once an entity was left out. */
  get isWhole(): boolean {
    return this.#last === null;
  }

  /** Hot path: the number of an entity, a new one where it comes for the first time; -1 where it is not in the sample. `key` is copied. */
  numberOf(keyText: string, key: readonly ScalarValue[]): number {
    const known = this.#byKey.get(keyText);
    if (known !== undefined) return known.number;
    const hash = keyHash(keyText);
    const last = this.#last;
    if (last !== null && (hash > last.hash || (hash === last.hash && keyText > last.keyText))) return -1;
    const number = this.#next++;
    this.#byKey.set(keyText, { keyText, key: key.slice(), hash, number });
    this.#bytes += bytesOf(keyText);
    // Now and then, so that the sorting costs little for each.
    if (this.#byKey.size <= this.#most * 1.25 + 1_000) return number;
    this.#cut();
    return this.#byKey.has(keyText) ? number : -1;
  }

  get(keyText: string): SampledEntity | undefined {
    return this.#byKey.get(keyText);
  }

  /** Those that are left, in order. */
  ended(): SampledEntity[] {
    this.#cut();
    return [...this.#byKey.values()].sort(byHash);
  }

  /** Leaves out all but the first `most`. */
  shrink(most: number): void {
    this.#most = Math.min(this.#most, most);
    this.#cut();
  }

  #cut(): void {
    if (this.#byKey.size <= this.#most) return;
    // Numbers are sorted, and entities where they tie alone: of the order of all of them nothing else is asked here.
    const hashes = Float64Array.from(this.#byKey.values(), ({ hash }) => hash).sort();
    const bound = hashes[this.#most - 1]!;
    const ties = [...this.#byKey.values()].filter(({ hash }) => hash === bound).sort(byHash);
    const last = ties[this.#most - 1 - hashes.indexOf(bound)]!;
    this.#last = last;
    for (const entity of this.#byKey.values()) {
      if (byHash(entity, last) <= 0) continue;
      this.#byKey.delete(entity.keyText);
      this.#bytes -= bytesOf(entity.keyText);
      this.#drop(entity.number);
    }
  }
}

function bytesOf(keyText: string): number {
  return BYTES_PER_ENTITY + keyText.length * BYTES_PER_CHARACTER;
}
