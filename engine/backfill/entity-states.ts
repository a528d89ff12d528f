import type { PreparedEvent } from '../define/compiled-view.ts';
import type { ViewLayout } from '../define/view-layout.ts';
import { createViewReducer } from '../state/create-view-reducer.ts';
import { statesBytes } from '../state/state-size.ts';
import type { EntityState, ViewReducer } from '../state/view-reducer.ts';
import type { PackedBlock } from './event-block.ts';
import { SlotPlaces } from './slot-places.ts';

const NONE = -1;

/** The states of entities by their numbers, in one thread. */
export class EntityStates {
  readonly #reducer: ViewReducer;
  readonly #places: SlotPlaces;
  readonly #event: PreparedEvent;
  /** By row of the block at hand; where an id cannot matter, whatever stood there before. */
  readonly #idOf: (string | null)[] = [];
  #states: EntityState[] = [];

  constructor(layout: ViewLayout) {
    this.#reducer = createViewReducer(layout);
    this.#places = new SlotPlaces(layout);
    const inputs = layout.slots.map(() => null);
    this.#event = { keyText: '', key: [], eventTimeUs: 0, id: null, partition: 0, offset: 0, inputs };
  }

  apply({ values, refs, ids, idRows, chains, entities }: PackedBlock): void {
    while (this.#states.length < entities) this.#states.push(this.#reducer.empty());
    const event = this.#event;
    const { hasIds } = this.#places;
    const idOf = this.#idOf;
    // Filled from the start: an array with holes is slower to read.
    if (hasIds) while (idOf.length * this.#places.numberWidth < values.length) idOf.push(null);
    for (let index = 0; index < idRows.length; index++) idOf[idRows[index] as number] = ids[index] as string | null;
    for (let at = 0; at < chains.length; at += 2) {
      const state = this.#states[chains[at] as number] as EntityState;
      for (let row = chains[at + 1] as number; row !== NONE; ) {
        if (hasIds) event.id = idOf[row] as string | null;
        row = this.#places.read(event, row, values, refs);
        this.#reducer.apply(state, event);
      }
    }
  }

  /** About how many bytes of memory the states take. */
  estimateBytes(): number {
    return statesBytes(this.#states, this.#states.length);
  }

  /** The encoded states of at most `count` entities from `from` on, in the order of their numbers. */
  encoded(from: number, count: number): Uint8Array[] {
    return this.#states.slice(from, from + count).map((state) => this.#reducer.encode(state));
  }

  clear(): void {
    this.#states = [];
  }
}
