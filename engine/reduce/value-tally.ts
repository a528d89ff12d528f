import type { Comparison } from '../values/compare.ts';
import type { ScalarValue } from '../values/field-type.ts';
import { BYTES_PER_HELD_REF, longTextBytes } from './rows-size.ts';
import type { Collection } from './tile-rows.ts';

type Value = NonNullable<ScalarValue>;

/** The tally itself, with its array. */
const TALLY_BYTES = 112;
/** A place of the array, and the half more that it grows by. */
const BYTES_PER_PLACE = 12;
/** What an array that grows makes room for at once. */
const GROWTH_BYTES = 17 * 8;

/** The most that one event adds to a tally, its long text aside. */
export const MOST_TALLIED_BYTES = TALLY_BYTES + GROWTH_BYTES + 2 * BYTES_PER_PLACE + BYTES_PER_HELD_REF;

/** Below so many places an array is made anew for one more value: one that grows by itself would be mostly room. */
const EXACT = 16;

/** How values are tallied: in which order, at most how many, and whether with their counts. */
export interface TallyRule {
  readonly compare: Comparison;
  readonly limit: number;
  readonly counted: boolean;
}

/**
 * The distinct values of a row, ascending, each followed by its count if those are kept. Beyond the limit only that is left of it. Values are
 * found by bisection and not by a map, which would take thrice the memory.
 */
export class ValueTally implements Collection {
  /** Null: there are more values than the limit. */
  items: Value[] | null;
  #longBytes = 0;

  constructor(items: Value[] | null) {
    this.items = items;
    if (items !== null && typeof items[0] === 'string') for (const item of items) this.#longBytes += longBytesOf(item);
  }

  copy(): ValueTally {
    return new ValueTally(this.items?.slice() ?? null);
  }

  bytes(): number {
    const { items } = this;
    if (items === null) return TALLY_BYTES;
    const values = typeof items[0] === 'string' || typeof items[0] === 'bigint' ? items.length * BYTES_PER_HELD_REF : 0;
    return TALLY_BYTES + items.length * BYTES_PER_PLACE + values + this.#longBytes;
  }

  /** Takes a value. */
  add(value: Value, rule: TallyRule): void {
    const { items } = this;
    if (items === null) return;
    const width = rule.counted ? 2 : 1;
    let low = 0;
    let high = items.length / width;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const order = rule.compare(items[middle * width]!, value);
      if (order === 0) {
        if (rule.counted) (items[middle * 2 + 1] as number)++;
        return;
      }
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    if (items.length === rule.limit * width) {
      this.#exceed();
      return;
    }
    this.#longBytes += longBytesOf(value);
    const at = low * width;
    if (items.length < EXACT)
      this.items = rule.counted ? items.toSpliced(at, 0, value, 1) : items.toSpliced(at, 0, value);
    else if (rule.counted) items.splice(at, 0, value, 1);
    else items.splice(at, 0, value);
  }

  /** Takes all of another tally of the same rule. */
  merge(other: ValueTally, { compare, limit, counted }: TallyRule): void {
    const [ours, theirs] = [this.items, other.items];
    if (ours === null) return;
    if (theirs === null) {
      this.#exceed();
      return;
    }
    const width = counted ? 2 : 1;
    const merged: Value[] = [];
    let longBytes = 0;
    let [our, their] = [0, 0];
    while (our < ours.length || their < theirs.length) {
      const order = our === ours.length ? 1 : their === theirs.length ? -1 : compare(ours[our]!, theirs[their]!);
      const value = order <= 0 ? ours[our]! : theirs[their]!;
      longBytes += longBytesOf(value);
      merged.push(value);
      if (counted)
        merged.push((order <= 0 ? (ours[our + 1] as number) : 0) + (order >= 0 ? (theirs[their + 1] as number) : 0));
      if (order <= 0) our += width;
      if (order >= 0) their += width;
    }
    if (merged.length > limit * width) {
      this.#exceed();
      return;
    }
    this.items = merged;
    this.#longBytes = longBytes;
  }

  #exceed(): void {
    this.items = null;
    this.#longBytes = 0;
  }
}

function longBytesOf(value: Value): number {
  return typeof value === 'string' ? longTextBytes(value) : 0;
}
