import { isSampled } from '../training/sample.ts';
import type { ScalarValue } from '../values/field-type.ts';
import { EntitySample, type SampledEntity } from '../versions/entity-sample.ts';

/** Of an entity so many times are held, and so many more until they are thinned out; of very many entities fewer. */
const MOST_TIMES = 64;
const FEW_TIMES = 8;
const MANY_ENTITIES = 20_000;

/** Of an entity: hash, time, hash, time, … */
interface Held {
  pairs: number[];
  /** A greater hash is not among the first. */
  bound: number;
}

/** Entities by the hash of their keys, and of each a few of the times at which it had an event, by the hash of the event's place in the log. */
export class SampledTimes {
  readonly #sample: EntitySample;
  readonly #share: number;
  readonly #mostTimes: number;
  /** By the entity's number. */
  readonly #times = new Map<number, Held>();

  /**
   * @param most entities
   * @param share of all entities, from 0 to 1
   */
  constructor(most: number, share = 1) {
    this.#sample = new EntitySample(most, (number) => this.#times.delete(number));
    this.#share = share;
    this.#mostTimes = most > MANY_ENTITIES ? FEW_TIMES : MOST_TIMES;
  }

  /** True where entities were left out. */
  get isPart(): boolean {
    return !this.#sample.isWhole || this.#share < 1;
  }

  /** Hot path: an event of an entity. `key` is copied. */
  add(text: string, key: readonly ScalarValue[], timeUs: number, partition: number, offset: number): void {
    if (this.#share < 1 && !isSampled(this.#share, key)) return;
    const number = this.#sample.numberOf(text, key);
    if (number < 0) return;
    const hash = placeHash(partition, offset);
    let held = this.#times.get(number);
    if (held === undefined) this.#times.set(number, (held = { pairs: [], bound: Number.POSITIVE_INFINITY }));
    if (hash > held.bound) return;
    held.pairs.push(hash, timeUs);
    if (held.pairs.length < 4 * this.#mostTimes) return;
    held.pairs = first(held.pairs, this.#mostTimes);
    if (held.pairs.length === 2 * this.#mostTimes) held.bound = held.pairs.at(-2)!;
  }

  /** The entities in the order of their hashes, each with its times, so many rows about. */
  ended(rows: number): { readonly entity: SampledEntity; readonly timesUs: readonly number[] }[] {
    const entities = this.#sample.ended();
    const each = Math.max(1, Math.min(this.#mostTimes, Math.floor(rows / Math.max(1, entities.length))));
    return entities.map((entity) => {
      const chosen = first(this.#times.get(entity.number)?.pairs ?? [], each);
      return { entity, timesUs: [...new Set(chosen.filter((_, index) => index % 2 === 1))] };
    });
  }
}

/** The pairs with the smallest hashes; of equal ones the earlier times. */
function first(pairs: readonly number[], most: number): number[] {
  const places = Array.from({ length: pairs.length / 2 }, (_, index) => 2 * index);
  places.sort((a, b) => pairs[a]! - pairs[b]! || pairs[a + 1]! - pairs[b + 1]!);
  // An event that two views of the entity have is one.
  const isNew = (at: number, index: number): boolean =>
    index === 0 || pairs[at] !== pairs[places[index - 1]!] || pairs[at + 1] !== pairs[places[index - 1]! + 1];
  return places
    .filter(isNew)
    .slice(0, most)
    .flatMap((at) => [pairs[at]!, pairs[at + 1]!]);
}

/** Spreads places in a log over [0, 2^32), by murmur's finalizer. */
function placeHash(partition: number, offset: number): number {
  let hash =
    (Math.imul(partition, 0x9e3779b1) ^ (offset >>> 0) ^ Math.imul(Math.floor(offset / 2 ** 32), 0x85ebca6b)) | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
