import type { BatchLimit } from '../admission/batch-limit.ts';
import type { CompiledView, LogEvent, PreparedEvent, PrepareOutcome } from '../define/compiled-view.ts';
import type { Cell } from '../values/cell.ts';
import { emptyCounts, type LogCounts } from '../admission/log-counts.ts';
import { statesBytes } from '../state/state-size.ts';
import type { EntityState, ViewReducer } from '../state/view-reducer.ts';
import { createViewReducer } from '../state/create-view-reducer.ts';
import type { EntityIndex } from './entity-index.ts';
import type { FeatureStaging } from './feature-staging.ts';

/** One view in a sweep: the states of its entities at the time the sweep has come to. */
export class ViewSweep {
  readonly view: CompiledView;
  readonly counts: LogCounts = emptyCounts();
  /** Told of the records that the view's functions fail on; null: no limit is held. */
  limit: BatchLimit | null = null;
  /** Labels read whose entity had no event yet. */
  rowsWithoutState = 0;
  readonly #reducer: ViewReducer;
  readonly #index: EntityIndex;
  readonly #staging: FeatureStaging;
  readonly #prepared: PreparedEvent;
  readonly #emptyCells: readonly Cell[];
  #states: (EntityState | undefined)[] = [];
  #stateCount = 0;

  constructor(view: CompiledView, index: EntityIndex, staging: FeatureStaging) {
    this.view = view;
    this.#reducer = createViewReducer(view.layout);
    this.#index = index;
    this.#staging = staging;
    this.#prepared = {
      keyText: '',
      key: [],
      eventTimeUs: 0,
      id: null,
      partition: 0,
      offset: 0,
      inputs: Array.from({ length: view.layout.slots.length }, () => null),
    };
    // With no event in any window a read does not depend on the time.
    this.#emptyCells = this.#reducer.read(this.#reducer.empty(), 0);
  }

  /** Forgets all states; the next pass begins. */
  clear(): void {
    this.#states = [];
    this.#stateCount = 0;
  }

  drop(id: number): void {
    if (this.#states[id] === undefined) return;
    this.#states[id] = undefined;
    this.#stateCount--;
  }

  /** Hot path: applies one event to its entity's state, if the spine asks for that entity. True where it did. */
  apply(event: LogEvent, counts: LogCounts | null): boolean {
    const prepared = this.#prepared;
    const outcome = this.view.prepare(event, prepared);
    if (outcome !== 'ok') {
      if (counts !== null) this.#count(event, counts, outcome);
      return false;
    }
    if (counts !== null) counts.applied++;
    const id = this.#index.idOf(prepared.keyText);
    if (id === undefined) return false;
    let state = this.#states[id];
    if (state === undefined) {
      state = this.#reducer.empty();
      this.#states[id] = state;
      this.#stateCount++;
    }
    this.#reducer.apply(state, prepared);
    return true;
  }

  #count(event: LogEvent, counts: LogCounts, outcome: Exclude<PrepareOutcome, 'ok'>): void {
    if (outcome === 'filtered') counts.filtered++;
    else if (outcome === 'null-key') counts.nullKey++;
    else {
      counts.invalid++;
      const { partition, offset, number } = event;
      const topic = partition < 0 ? 'history' : (this.view.source.topic ?? '');
      this.limit?.add({ topic, partition, offset, number, file: null, reasons: outcome.invalid });
    }
  }

  /** Hot path: reads the features of one label. */
  read(id: number, timeUs: number, rowNumber: number): void {
    const state = this.#states[id];
    if (state === undefined) {
      this.rowsWithoutState++;
      this.#staging.append(rowNumber, this.#emptyCells);
      return;
    }
    this.#staging.append(rowNumber, this.#reducer.read(state, timeUs));
  }

  /** About how many bytes of memory the states take. */
  estimateBytes(): number {
    return statesBytes(this.#states, this.#stateCount);
  }
}
