import { emptyPrepared } from '../define/empty-prepared.ts';
import type { PreparedEvent } from '../define/compiled-view.ts';
import type { ViewLayout } from '../define/view-layout.ts';
import { createViewReducer } from '../state/create-view-reducer.ts';
import { type EncodedRun, encodedRun } from '../state/encoded-run.ts';
import { HeldStates } from '../state/held-states.ts';
import type { ViewReducer } from '../state/view-reducer.ts';
import type { PackedBlock } from './event-block.ts';
import { SlotPlaces } from './slot-places.ts';

const NONE = -1;
/** What decoded states may take of the heap they are in; and where they do not fit, for a block touches each entity once. */
const DECODED_BYTES = 20 << 20;
const CROWDED_BYTES = 4 << 20;

/** The states of entities by their numbers, in one thread. */
export class EntityStates {
  readonly #reducer: ViewReducer;
  readonly #states: HeldStates;
  readonly #places: SlotPlaces;
  readonly #event: PreparedEvent;
  /** By row of the block at hand; where an id cannot matter, whatever stood there before. */
  readonly #idOf: (string | null)[] = [];

  /** @param decodedBytes what decoded states may take of the heap they are in */
  constructor(layout: ViewLayout, decodedBytes = DECODED_BYTES) {
    this.#reducer = createViewReducer(layout);
    this.#states = new HeldStates(this.#reducer, decodedBytes, undefined, CROWDED_BYTES);
    this.#places = new SlotPlaces(layout);
    this.#event = emptyPrepared(layout.slots);
  }

  /** Gives what the states take outside of the heap, in bytes. */
  apply({ values, refs, ids, idRows, chains }: PackedBlock): number {
    const event = this.#event;
    const { hasIds } = this.#places;
    const idOf = this.#idOf;
    // Filled from the start: an array with holes is slower to read.
    if (hasIds) while (idOf.length * this.#places.numberWidth < values.length) idOf.push(null);
    for (let index = 0; index < idRows.length; index++) idOf[idRows[index] as number] = ids[index] as string | null;
    for (let at = 0; at < chains.length; at += 2) {
      const state = this.#states.toChange(chains[at] as number);
      for (let row = chains[at + 1] as number; row !== NONE; ) {
        if (hasIds) event.id = idOf[row] as string | null;
        row = this.#places.read(event, row, values, refs);
        this.#reducer.apply(state, event);
      }
    }
    return this.#states.bytes;
  }

  /** The encoded states of `count` entities from `from` on, in the order of their numbers. */
  encoded(from: number, count: number): EncodedRun {
    return encodedRun(count, (index) => this.#states.encoded(from + index));
  }

  /** Forgets all; keeps the memory for those to come, or lets go of it. */
  clear(keepsMemory: boolean): void {
    this.#states.clear(keepsMemory);
  }
}
