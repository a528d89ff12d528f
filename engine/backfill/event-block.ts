import type { ScalarValue } from '../contract/field-type.ts';
import type { PreparedEvent } from '../define/compiled-view.ts';
import type { EntityState, ViewReducer } from '../state/view-reducer.ts';

const EVENTS = 16_384;
const NONE = -1;

/**
 * Events gathered in columns and applied entity by entity. In a log, neighbours belong to different entities, and each state would be
 * fetched from main memory for one event; here it is fetched once for all the entity's events of a block (measured: a third less time
 * at 3,300 entities). An entity's own events keep their order, so that the same ones count as late.
 */
export class EventBlock {
  readonly #reducer: ViewReducer;
  readonly #times = new Float64Array(EVENTS);
  readonly #partitions = new Int32Array(EVENTS);
  readonly #offsets = new Float64Array(EVENTS);
  readonly #ids = new Array<string | null>(EVENTS).fill(null);
  readonly #inputs: ScalarValue[][];
  /** The entity's next event in the block. */
  readonly #next = new Int32Array(EVENTS);
  /** Per entity number: its first and last event in the block. */
  #first = new Int32Array(1024).fill(NONE);
  #last = new Int32Array(1024);
  readonly #touched: number[] = [];
  readonly #event: PreparedEvent;
  #size = 0;
  #applied = 0;
  #late = 0;

  constructor(reducer: ViewReducer) {
    this.#reducer = reducer;
    const { slots } = reducer.layout;
    this.#inputs = slots.map(() => new Array<ScalarValue>(EVENTS).fill(null));
    const inputs = slots.map(() => null);
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
    if (entity >= this.#first.length) this.#growTo(entity);
    if (this.#first[entity] === NONE) {
      this.#first[entity] = at;
      this.#touched.push(entity);
    } else this.#next[this.#last[entity] as number] = at;
    this.#last[entity] = at;
    this.#next[at] = NONE;
    this.#times[at] = event.eventTimeUs;
    this.#partitions[at] = event.partition;
    this.#offsets[at] = event.offset;
    this.#ids[at] = event.id;
    const { inputs } = event;
    for (let slot = 0; slot < inputs.length; slot++)
      (this.#inputs[slot] as ScalarValue[])[at] = inputs[slot] as ScalarValue;
    return this.#size === EVENTS;
  }

  /** Applies all events to the states of their entities, and is empty again. */
  apply(states: readonly EntityState[]): void {
    const event = this.#event;
    const { inputs } = event;
    for (const entity of this.#touched) {
      const state = states[entity] as EntityState;
      for (let at = this.#first[entity] as number; at !== NONE; at = this.#next[at] as number) {
        event.eventTimeUs = this.#times[at] as number;
        event.partition = this.#partitions[at] as number;
        event.offset = this.#offsets[at] as number;
        event.id = this.#ids[at] as string | null;
        for (let slot = 0; slot < inputs.length; slot++)
          inputs[slot] = (this.#inputs[slot] as ScalarValue[])[at] as ScalarValue;
        if (this.#reducer.apply(state, event)) this.#applied++;
        else this.#late++;
      }
      this.#first[entity] = NONE;
    }
    this.#touched.length = 0;
    this.#size = 0;
  }

  #growTo(entity: number): void {
    const length = Math.max(entity + 1, this.#first.length * 2);
    const first = new Int32Array(length).fill(NONE);
    first.set(this.#first);
    const last = new Int32Array(length);
    last.set(this.#last);
    this.#first = first;
    this.#last = last;
  }
}
