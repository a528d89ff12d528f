import type { PreparedEvent } from '../define/compiled-view.ts';
import { type GroupLayout, isLastEvent, type ViewLayout } from '../define/view-layout.ts';

/** What is known of one entity: see `EntityTimes`. -Infinity where nothing is. */
export interface EntityTimesSeen {
  readonly newest: number;
  readonly newestLast: number;
  readonly newestHere: number;
}

/**
 * What a backfill knows of entities (small numbers) from the times of their events so far: which events can change a state no more, and
 * which are late. The first needs no order: the state is a function of the set of events. The second is judged in the order of the log.
 */
export class EntityTimes {
  readonly #tileGroups: readonly GroupLayout[];
  /** The lifetime slots where all are `last`; null where another needs every event. */
  readonly #lastSlots: readonly number[] | null;
  readonly #hasLifetime: boolean;
  #newest = noTimes(1024);
  /** The newest event that has a value for every lifetime `last`. */
  #newestLast = noTimes(1024);
  /** What is older changes nothing. */
  #outdated = noTimes(1024);
  /** The newest event of the stretch of history at hand. */
  #newestHere = noTimes(1024);
  #position = -1;

  constructor(layout: ViewLayout) {
    this.#tileGroups = layout.groups.filter(({ hopUs }) => hopUs !== null);
    this.#hasLifetime = this.#tileGroups.length < layout.groups.length;
    const lifetime = [...layout.slots.entries()].filter(([, { group }]) => layout.groups[group]?.hopUs === null);
    this.#lastSlots = lifetime.every(([, slot]) => isLastEvent(slot)) ? lifetime.map(([slot]) => slot) : null;
  }

  /** Whether an event, with all those taken so far, changes nothing: no window can see it, and it is no entity's last. */
  isOutdated(entity: number, eventTimeUs: number): boolean {
    return entity < this.#outdated.length && eventTimeUs < (this.#outdated[entity] as number);
  }

  /** Takes an event; true where it is its entity's newest. */
  take(entity: number, event: PreparedEvent): boolean {
    if (entity >= this.#newest.length) this.#growTo(entity);
    const { eventTimeUs } = event;
    const isNewest = eventTimeUs > (this.#newest[entity] as number);
    if (isNewest) this.#newest[entity] = eventTimeUs;
    const slots = this.#lastSlots;
    if (slots === null) return isNewest;
    const isNewestLast = eventTimeUs > (this.#newestLast[entity] as number) && hasAll(event, slots);
    if (isNewestLast) this.#newestLast[entity] = eventTimeUs;
    if (isNewest || isNewestLast) this.#outdated[entity] = this.#outdatedBefore(entity);
    return isNewest;
  }

  /**
   * Whether an event is late: none of the view's groups keeps its tile. To be asked of every event, as it comes. History may come in
   * stretches, the newest first, none of which overlaps another in time: each is judged by its own events.
   */
  isLate(entity: number, event: PreparedEvent): boolean {
    if (this.#hasLifetime) return false;
    if (entity >= this.#newest.length) this.#growTo(entity);
    const { eventTimeUs } = event;
    if (event.partition >= 0) return this.#isBefore(eventTimeUs, Math.max(this.#newest[entity] as number, eventTimeUs));
    if (event.offset < this.#position) this.#newestHere.fill(Number.NEGATIVE_INFINITY);
    this.#position = event.offset;
    if (eventTimeUs > (this.#newestHere[entity] as number)) this.#newestHere[entity] = eventTimeUs;
    return this.#isBefore(eventTimeUs, this.#newestHere[entity] as number);
  }

  /** The position of the history's event before the one to come; -1 where there was none. */
  get position(): number {
    return this.#position;
  }

  seen(entity: number): EntityTimesSeen {
    return {
      newest: this.#newest[entity] ?? Number.NEGATIVE_INFINITY,
      newestLast: this.#newestLast[entity] ?? Number.NEGATIVE_INFINITY,
      newestHere: this.#newestHere[entity] ?? Number.NEGATIVE_INFINITY,
    };
  }

  /** Knows of an entity what another run has seen, beside what it knows already. */
  recall(entity: number, seen: EntityTimesSeen): void {
    if (entity >= this.#newest.length) this.#growTo(entity);
    this.#newest[entity] = Math.max(this.#newest[entity] as number, seen.newest);
    this.#newestLast[entity] = Math.max(this.#newestLast[entity] as number, seen.newestLast);
    this.#newestHere[entity] = Math.max(this.#newestHere[entity] as number, seen.newestHere);
    if (this.#lastSlots !== null) this.#outdated[entity] = this.#outdatedBefore(entity);
  }

  /** Goes on after the event of another run that stood there. */
  recallPosition(position: number): void {
    this.#position = position;
  }

  /** What it takes outside of the heap. */
  get bytes(): number {
    return this.#newest.byteLength * 4;
  }

  /** Entity numbers begin anew. */
  clear(): void {
    this.#newest.fill(Number.NEGATIVE_INFINITY);
    this.#newestLast.fill(Number.NEGATIVE_INFINITY);
    this.#outdated.fill(Number.NEGATIVE_INFINITY);
    this.#newestHere.fill(Number.NEGATIVE_INFINITY);
  }

  /** As `ViewReducer.apply` decides it: no group keeps the tile. */
  #isBefore(eventTimeUs: number, newestUs: number): boolean {
    const groups = this.#tileGroups;
    for (let index = 0; index < groups.length; index++) {
      const { hopUs, spanUs } = groups[index] as { hopUs: number; spanUs: number };
      if (Math.floor(eventTimeUs / hopUs) >= Math.floor((newestUs - spanUs) / hopUs)) return false;
    }
    return true;
  }

  #outdatedBefore(entity: number): number {
    let before = this.#hasLifetime ? (this.#newestLast[entity] as number) : Number.POSITIVE_INFINITY;
    const newestUs = this.#newest[entity] as number;
    const groups = this.#tileGroups;
    for (let index = 0; index < groups.length; index++) {
      const { hopUs, spanUs } = groups[index] as { hopUs: number; spanUs: number };
      const tileUs = Math.floor((newestUs - spanUs) / hopUs) * hopUs;
      if (tileUs < before) before = tileUs;
    }
    // Beyond the safe integers the start of a tile is not exact.
    return before > Number.MIN_SAFE_INTEGER ? before : Number.NEGATIVE_INFINITY;
  }

  #growTo(entity: number): void {
    const length = Math.max(entity + 1, Math.ceil(this.#newest.length * 1.5));
    const grown = (times: Float64Array): Float64Array => {
      const longer = noTimes(length);
      longer.set(times);
      return longer;
    };
    this.#newest = grown(this.#newest);
    this.#newestLast = grown(this.#newestLast);
    this.#outdated = grown(this.#outdated);
    this.#newestHere = grown(this.#newestHere);
  }
}

function noTimes(length: number): Float64Array {
  return new Float64Array(length).fill(Number.NEGATIVE_INFINITY);
}

function hasAll({ inputs }: PreparedEvent, slots: readonly number[]): boolean {
  for (let index = 0; index < slots.length; index++) if (inputs[slots[index] as number] === null) return false;
  return true;
}
