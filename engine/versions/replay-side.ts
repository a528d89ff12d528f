import { emptyPrepared } from '../define/empty-prepared.ts';
import type { CompiledView, LogEvent, PreparedEvent } from '../define/compiled-view.ts';
import { createViewReducer } from '../state/create-view-reducer.ts';
import { HeldStates } from '../state/held-states.ts';
import type { ViewReducer } from '../state/view-reducer.ts';
import type { Cell } from '../values/cell.ts';
import type { DiffSide, SideCounts } from './diff-types.ts';
import { EntitySample } from './entity-sample.ts';

/** One of the two on its way through the log: the states of a sample of its entities. */
export class SideReplay {
  readonly side: DiffSide;
  readonly counts: SideCounts = { applied: 0, filtered: 0, nullKey: 0, invalid: 0 };
  readonly sample: EntitySample;
  readonly #view: CompiledView;
  readonly #reducer: ViewReducer;
  readonly #states: HeldStates;
  readonly #prepared: PreparedEvent;
  readonly #untilUs: number;
  #newestUs = Number.NEGATIVE_INFINITY;

  /**
   * @param untilUs events at or after it are left out
   * @param decodedBytes what decoded states may take of the heap
   */
  constructor(side: DiffSide, most: number, untilUs: number, decodedBytes: number) {
    this.side = side;
    this.#view = side.view;
    this.#untilUs = untilUs;
    const { layout, derived } = side.view;
    this.#reducer = createViewReducer(layout, derived);
    this.#states = new HeldStates(this.#reducer, decodedBytes);
    this.sample = new EntitySample(most, (number) => this.#states.delete(number));
    this.#prepared = emptyPrepared(layout.slots);
  }

  /** Event time of the newest event that it took, of whatever entity; -Infinity before the first. */
  get newestUs(): number {
    return this.#newestUs;
  }

  /** What the states take outside of the heap. */
  get bytes(): number {
    return this.#states.bytes;
  }

  /** Hot path. */
  apply(event: LogEvent): void {
    if (event.eventTimeUs >= this.#untilUs) return;
    const prepared = this.#prepared;
    const outcome = this.#view.prepare(event, prepared);
    if (outcome !== 'ok') {
      if (outcome === 'filtered') this.counts.filtered++;
      else if (outcome === 'null-key') this.counts.nullKey++;
      else this.counts.invalid++;
      return;
    }
    this.counts.applied++;
    if (prepared.eventTimeUs > this.#newestUs) this.#newestUs = prepared.eventTimeUs;
    const number = this.sample.numberOf(prepared.keyText, prepared.key);
    if (number >= 0) this.#reducer.apply(this.#states.toChange(number), prepared);
  }

  /** Leaves out all but so many entities, and gives back what they took. */
  shrink(most: number): void {
    this.sample.shrink(most);
    this.#states.pack();
  }

  /** The features at a time; null where the entity has no events here. */
  cells(keyText: string, atUs: number): Cell[] | null {
    const entity = this.sample.get(keyText);
    const state = entity === undefined ? undefined : this.#states.toRead(entity.number);
    return state === undefined ? null : this.#reducer.read(state, atUs);
  }

  /** The features of an entity without events. */
  emptyCells(atUs: number): Cell[] {
    return this.#reducer.read(this.#reducer.empty(), atUs);
  }

  /** Gives everything back. */
  release(): void {
    this.#states.clear(false);
  }
}
