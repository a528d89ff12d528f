import type { ScalarValue } from '../contract/field-type.ts';
import type { PreparedEvent } from '../define/compiled-view.ts';
import type { GroupLayout, ViewLayout } from '../define/view-layout.ts';
import type { EntityState, ViewReducer } from '../state/view-reducer.ts';

const NONE = -1;
/** Before the numbers of the slots: event time, partition, offset, and the row of the entity's event before this one. */
const FIXED_NUMBERS = 4;
const BEFORE = 3;
const FEWEST_EVENTS = 512;
const MOST_EVENTS = 1 << 19;
/** A reference, and half of the text it may hold alone. */
const BYTES_PER_REF = 40;

/** How the inputs of a view are laid out in a row of numbers and a row of references. */
interface SlotPlaces {
  /** Slots whose inputs are numbers. */
  readonly numbers: readonly number[];
  /** Slots whose inputs are true or false (or true, for a count of rows). */
  readonly booleans: readonly number[];
  /** Slots whose inputs are texts and big integers. */
  readonly refs: readonly number[];
  /** Whether ids matter: only first and last break ties by them. */
  readonly hasIds: boolean;
}

function slotPlaces(layout: ViewLayout): SlotPlaces {
  const numbers: number[] = [];
  const booleans: number[] = [];
  const refs: number[] = [];
  for (const [slot, { input }] of layout.slots.entries()) {
    if (input === null || input.kind === 'boolean') booleans.push(slot);
    else if (input.kind === 'int' || input.kind === 'double' || input.kind === 'timestamp') numbers.push(slot);
    else refs.push(slot);
  }
  const hasOrder = layout.slots.some(({ partial }) => partial === 'first' || partial === 'last');
  return { numbers, booleans, refs, hasIds: hasOrder && layout.tieBreak === 'id' };
}

/**
 * Gathers events and applies them entity by entity, each one's latest arrival first. In a log, neighbours belong to different entities,
 * and each state would be fetched from main memory for one event; here it is fetched once for many. And once an entity's newest event is
 * in, the older ones that no window can see any more cost nothing, rather than a tile that is made and dropped again. A state is a function
 * of the set of its events, so the order is free; which events count as late is decided by their arrival all the same.
 */
export class EventBlock {
  readonly #reducer: ViewReducer;
  readonly #capacity: number;
  readonly #places: SlotPlaces;
  readonly #numbers: Float64Array;
  readonly #numberWidth: number;
  readonly #refs: ScalarValue[];
  readonly #refWidth: number;
  /** Per entity number: its last event in the block, and its newest event time so far. */
  #last = new Int32Array(1024).fill(NONE);
  #newest = new Float64Array(1024).fill(Number.NEGATIVE_INFINITY);
  readonly #touched: number[] = [];
  readonly #event: PreparedEvent;
  /** Null where a lifetime group takes every event. */
  readonly #tileGroups: readonly GroupLayout[] | null;
  #size = 0;
  #applied = 0;
  #late = 0;

  /** @param budgetBytes How much memory the block may take, at most. */
  constructor(reducer: ViewReducer, budgetBytes: number) {
    const { layout } = reducer;
    this.#reducer = reducer;
    this.#places = slotPlaces(layout);
    this.#numberWidth = FIXED_NUMBERS + this.#places.numbers.length + this.#places.booleans.length;
    this.#refWidth = this.#places.refs.length + (this.#places.hasIds ? 1 : 0);
    const bytesPerEvent = this.#numberWidth * 8 + this.#refWidth * BYTES_PER_REF;
    this.#capacity = Math.min(Math.max(Math.floor(budgetBytes / bytesPerEvent), FEWEST_EVENTS), MOST_EVENTS);
    this.#numbers = new Float64Array(this.#capacity * this.#numberWidth);
    this.#refs = new Array<ScalarValue>(this.#capacity * this.#refWidth).fill(null);
    this.#tileGroups = layout.groups.some(({ hopUs }) => hopUs === null) ? null : layout.groups;
    const inputs = layout.slots.map(() => null);
    this.#event = { keyText: '', key: [], eventTimeUs: 0, id: null, partition: 0, offset: 0, inputs };
  }

  get applied(): number {
    return this.#applied;
  }

  get late(): number {
    return this.#late;
  }

  /** Copies an event of an entity (a small number). True when the block is full and is to be applied. */
  add(entity: number, event: PreparedEvent): boolean {
    const at = this.#size++;
    if (entity >= this.#last.length) this.#growTo(entity);
    const before = this.#last[entity] as number;
    if (before === NONE) this.#touched.push(entity);
    this.#last[entity] = at;
    if (event.eventTimeUs > (this.#newest[entity] as number)) this.#newest[entity] = event.eventTimeUs;
    if (this.#tileGroups !== null && isLate(this.#tileGroups, event.eventTimeUs, this.#newest[entity] as number))
      this.#late++;
    else this.#applied++;
    this.#copy(at, before, event);
    return this.#size === this.#capacity;
  }

  /** Applies all events to the states of their entities, and is empty again. */
  apply(states: readonly EntityState[]): void {
    const event = this.#event;
    for (const entity of this.#touched) {
      const state = states[entity] as EntityState;
      let row = this.#last[entity] as number;
      while (row !== NONE) {
        this.#restore(row, event);
        row = this.#numbers[row * this.#numberWidth + BEFORE] as number;
        this.#reducer.apply(state, event);
      }
      this.#last[entity] = NONE;
    }
    this.#touched.length = 0;
    this.#size = 0;
  }

  /** Entity numbers begin anew. Only when it is empty. */
  forgetEntities(): void {
    this.#newest.fill(Number.NEGATIVE_INFINITY);
  }

  #copy(row: number, before: number, event: PreparedEvent): void {
    const { numbers, booleans, refs, hasIds } = this.#places;
    const { inputs } = event;
    const values = this.#numbers;
    let at = row * this.#numberWidth;
    values[at++] = event.eventTimeUs;
    values[at++] = event.partition;
    values[at++] = event.offset;
    values[at++] = before;
    // NaN is null: no contract lets it in.
    for (let index = 0; index < numbers.length; index++) {
      const value = inputs[numbers[index] as number];
      values[at++] = value === null ? Number.NaN : (value as number);
    }
    for (let index = 0; index < booleans.length; index++) {
      const value = inputs[booleans[index] as number];
      values[at++] = value === null ? Number.NaN : value === true ? 1 : 0;
    }
    let ref = row * this.#refWidth;
    if (hasIds) this.#refs[ref++] = event.id;
    for (let index = 0; index < refs.length; index++) this.#refs[ref++] = inputs[refs[index] as number] as ScalarValue;
  }

  #restore(row: number, event: PreparedEvent): void {
    const { numbers, booleans, refs, hasIds } = this.#places;
    const { inputs } = event;
    const values = this.#numbers;
    let at = row * this.#numberWidth;
    event.eventTimeUs = values[at++] as number;
    event.partition = values[at++] as number;
    event.offset = values[at] as number;
    at += FIXED_NUMBERS - 2;
    for (let index = 0; index < numbers.length; index++) {
      const value = values[at++] as number;
      inputs[numbers[index] as number] = value !== value ? null : value;
    }
    for (let index = 0; index < booleans.length; index++) {
      const value = values[at++] as number;
      inputs[booleans[index] as number] = value !== value ? null : value === 1;
    }
    let ref = row * this.#refWidth;
    if (hasIds) event.id = this.#refs[ref++] as string | null;
    for (let index = 0; index < refs.length; index++) inputs[refs[index] as number] = this.#refs[ref++] as ScalarValue;
  }

  #growTo(entity: number): void {
    const length = Math.max(entity + 1, this.#last.length * 2);
    const last = new Int32Array(length).fill(NONE);
    last.set(this.#last);
    const newest = new Float64Array(length).fill(Number.NEGATIVE_INFINITY);
    newest.set(this.#newest);
    this.#last = last;
    this.#newest = newest;
  }
}

/** As `ViewReducer.apply` decides it: no group keeps the event's tile. */
function isLate(groups: readonly GroupLayout[], eventTimeUs: number, newestUs: number): boolean {
  for (const { hopUs, spanUs } of groups) {
    if (hopUs === null || spanUs === null) return false;
    if (Math.floor(eventTimeUs / hopUs) >= Math.floor((newestUs - spanUs) / hopUs)) return false;
  }
  return true;
}
