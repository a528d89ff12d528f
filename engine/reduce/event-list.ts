import type { ScalarValue } from '../values/field-type.ts';
import type { ListedEvent } from './listed-event.ts';
import { longTextBytes } from './rows-size.ts';
import type { Collection } from './tile-rows.ts';

/** The list itself, with its array. */
const LIST_BYTES = 130;
/** An event: itself with its time, its place in the array, its id, its value, and what finds it by its value. */
const ITEM_BYTES = 250;

/** The most that one event adds to a list, its long texts aside. */
export const MOST_LISTED_BYTES = LIST_BYTES + ITEM_BYTES;

/** Above so many events a distinct list finds a value by a map. */
const SCANNED = 24;

/** What a list keeps: the first or the last `size` events, each value once if `distinct`. */
export interface ListRule {
  readonly kind: 'firstN' | 'lastN';
  readonly size: number;
  readonly distinct: boolean;
  readonly compare: (a: ListedEvent, b: ListedEvent) => number;
}

/** The events that `firstN` or `lastN` keeps of a row, ascending. */
export class EventList implements Collection {
  readonly items: ListedEvent[];
  #longBytes: number;
  /** Of a long distinct list, its events by value; null until it is asked for. */
  #byValue: Map<ScalarValue, ListedEvent> | null = null;

  constructor(items: ListedEvent[]) {
    this.items = items;
    this.#longBytes = 0;
    for (const item of items) this.#longBytes += longBytesOf(item);
  }

  copy(): EventList {
    return new EventList([...this.items]);
  }

  bytes(): number {
    return LIST_BYTES + this.items.length * ITEM_BYTES + this.#longBytes;
  }

  /** Takes an event in, if it is among those to keep. False: neither would any that lies further out be. */
  offer(item: ListedEvent, rule: ListRule): boolean {
    if (rule.distinct) return this.#offerDistinct(item, rule);
    return this.#insert(item, rule);
  }

  #offerDistinct(item: ListedEvent, rule: ListRule): boolean {
    const held = this.#withValue(item.value);
    if (held === undefined) return this.#insert(item, rule);
    const order = rule.compare(item, held);
    if (rule.kind === 'firstN' ? order >= 0 : order <= 0) return true;
    this.#remove(this.#placeOf(held, rule.compare) - 1);
    return this.#insert(item, rule);
  }

  #withValue(value: ScalarValue): ListedEvent | undefined {
    const { items } = this;
    if (items.length <= SCANNED) {
      for (let at = items.length - 1; at >= 0; at--) if (items[at]!.value === value) return items[at];
      return undefined;
    }
    this.#byValue ??= new Map(items.map((item) => [item.value, item]));
    return this.#byValue.get(value);
  }

  #insert(item: ListedEvent, { kind, size, compare }: ListRule): boolean {
    const { items } = this;
    let place = this.#placeOf(item, compare);
    if (items.length === size) {
      if (place === (kind === 'firstN' ? size : 0)) return false;
      this.#forget((kind === 'firstN' ? items.pop() : items.shift())!);
      if (kind === 'lastN') place--;
    }
    if (place === items.length) items.push(item);
    else items.splice(place, 0, item);
    this.#longBytes += longBytesOf(item);
    this.#byValue?.set(item.value, item);
    return true;
  }

  /** How many events do not come after this one. */
  #placeOf(item: ListedEvent, compare: ListRule['compare']): number {
    const { items } = this;
    let high = items.length;
    // Events mostly come in their order.
    if (high === 0 || compare(items[high - 1]!, item) <= 0) return high;
    let low = 0;
    high--;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compare(items[middle]!, item) <= 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #remove(at: number): void {
    this.#forget(this.items[at]!);
    this.items.splice(at, 1);
  }

  #forget(item: ListedEvent): void {
    this.#longBytes -= longBytesOf(item);
    this.#byValue?.delete(item.value);
  }
}

function longBytesOf({ id, value }: ListedEvent): number {
  return (id === null ? 0 : longTextBytes(id)) + (typeof value === 'string' ? longTextBytes(value) : 0);
}
