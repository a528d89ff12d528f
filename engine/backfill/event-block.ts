import type { ScalarValue } from '../values/field-type.ts';
import type { PreparedEvent } from '../define/compiled-view.ts';
import type { ViewLayout } from '../define/view-layout.ts';
import { EntityTimes } from './entity-times.ts';
import { SlotPlaces } from './slot-places.ts';

const NONE = -1;
const FEWEST_EVENTS = 512;
const MOST_EVENTS = 1 << 18;

/** A block on its way to the states: rows of `SlotPlaces`, chained by entity from each one's latest arrival back to its first (-1). */
export interface PackedBlock {
  /** In memory that threads share. */
  readonly values: Float64Array;
  readonly refs: readonly ScalarValue[];
  /** The ids that can matter, and their rows. */
  readonly ids: readonly (string | null)[];
  readonly idRows: Int32Array;
  /** Pairs: number of an entity, its last row. */
  readonly chains: Int32Array;
  /** Entities there are so far. */
  readonly entities: number;
}

/**
 * Gathers events to be applied entity by entity, each one's latest arrival first. In a log, neighbours belong to different entities, and
 * each state would be fetched from main memory for one event; so it is fetched once for many. And once an entity's newest event is in, the
 * older ones that no window can see any more cost nothing, rather than a tile that is made and dropped again; those that come after it are
 * not even taken. A state is a function of the set of its events, so the order is free; which events count as late is decided all the same.
 */
export class EventBlock {
  readonly #places: SlotPlaces;
  readonly #buffers: Float64Array[] = [];
  readonly #refs: ScalarValue[] = [];
  /** By row; undefined where the id can matter no more. */
  readonly #ids: (string | null | undefined)[] = [];
  #capacity: number;
  #values: Float64Array;
  /** Per entity number: its last event in the block. */
  #last = new Int32Array(1024).fill(NONE);
  readonly #times: EntityTimes;
  #touched: number[] = [];
  #entities = 0;
  #size = 0;
  #applied = 0;
  #late = 0;

  /** @param budgetBytes How much memory two blocks may take, at most: the one being filled, and the one being applied. */
  constructor(layout: ViewLayout, budgetBytes: number) {
    this.#places = new SlotPlaces(layout);
    const events = Math.floor(budgetBytes / 2 / this.#places.bytesPerEvent);
    this.#capacity = Math.min(Math.max(events, FEWEST_EVENTS), MOST_EVENTS);
    this.#values = this.#newValues();
    this.#times = new EntityTimes(layout);
  }

  get applied(): number {
    return this.#applied;
  }

  get late(): number {
    return this.#late;
  }

  get isEmpty(): boolean {
    return this.#size === 0;
  }

  /** What two blocks take outside of the heap, with what is known of the entities. */
  get bytes(): number {
    return this.#values.byteLength * 2 + this.#last.byteLength + this.#times.bytes;
  }

  /** What the texts of two blocks take of the heap, about. */
  get heapBytes(): number {
    return this.#capacity * (this.#places.bytesPerEvent - this.#places.numberWidth * 8) * 2;
  }

  /** Events it holds at most, as long as it need not grow. */
  get capacity(): number {
    return this.#capacity;
  }

  /** Time to take it: full, or nearly. It goes on to take events, and grows when it must. */
  get isFull(): boolean {
    return this.#size >= this.#capacity * 0.9;
  }

  /** Copies an event of an entity (a small number), if it can matter. */
  add(entity: number, event: PreparedEvent): void {
    if (this.#times.isLate(entity, event)) this.#late++;
    else this.#applied++;
    if (this.#times.isOutdated(entity, event.eventTimeUs)) return;
    if (this.#size === this.#capacity) this.#growBlock();
    const row = this.#size++;
    if (entity >= this.#last.length) this.#growTo(entity);
    if (entity >= this.#entities) this.#entities = entity + 1;
    const before = this.#last[entity] as number;
    if (before === NONE) this.#touched.push(entity);
    this.#last[entity] = row;
    const isNewest = this.#times.take(entity, event);
    if (this.#places.hasIds) {
      // It will be applied first, and those before it cannot be `last` any more, whatever their ids: texts are dear to hand to a thread.
      if (isNewest && before !== NONE && this.#isLast(event)) this.#ids[before] = undefined;
      this.#ids[row] = event.id;
    }
    this.#places.write(event, row, before, this.#values, this.#refs);
  }

  /** The events so far; it is empty again. `giveBack` its values once they were applied, to be filled anew. */
  take(): PackedBlock {
    const chains = new Int32Array(this.#touched.length * 2);
    for (const [index, entity] of this.#touched.entries()) {
      chains[index * 2] = entity;
      chains[index * 2 + 1] = this.#last[entity] as number;
      this.#last[entity] = NONE;
    }
    const refs = this.#refs.slice(0, this.#size * this.#places.refWidth);
    const block = { values: this.#values, refs, chains, entities: this.#entities, ...this.#takeIds() };
    this.#touched = [];
    this.#size = 0;
    this.#values = this.#buffers.pop() ?? this.#newValues();
    return block;
  }

  giveBack({ values }: PackedBlock): void {
    if (values.length === this.#capacity * this.#places.numberWidth) this.#buffers.push(values);
  }

  /** What is known of the entities' times, for another run to go on from. */
  get times(): EntityTimes {
    return this.#times;
  }

  /** Entity numbers begin anew. Only when it is empty. */
  forgetEntities(): void {
    this.#times.clear();
    this.#entities = 0;
  }

  #takeIds(): Pick<PackedBlock, 'ids' | 'idRows'> {
    const ids: (string | null)[] = [];
    const rows: number[] = [];
    for (let row = 0; row < this.#ids.length; row++) {
      const id = this.#ids[row];
      if (id === undefined) continue;
      ids.push(id);
      rows.push(row);
    }
    this.#ids.length = 0;
    return { ids, idRows: Int32Array.from(rows) };
  }

  #isLast({ inputs }: PreparedEvent): boolean {
    const slots = this.#places.lastSlots;
    if (slots === null) return false;
    for (let index = 0; index < slots.length; index++) if (inputs[slots[index] as number] === null) return false;
    return true;
  }

  #newValues(): Float64Array {
    return new Float64Array(new SharedArrayBuffer(this.#capacity * this.#places.numberWidth * 8));
  }

  #growBlock(): void {
    const filled = this.#values;
    this.#capacity *= 2;
    this.#buffers.length = 0;
    this.#values = this.#newValues();
    this.#values.set(filled);
  }

  #growTo(entity: number): void {
    const length = Math.max(entity + 1, Math.ceil(this.#last.length * 1.5));
    const last = new Int32Array(length).fill(NONE);
    last.set(this.#last);
    this.#last = last;
  }
}
