import { emptyPrepared } from '../define/empty-prepared.ts';
import type { BatchLimit } from '../admission/batch-limit.ts';
import type { CompiledView, LogEvent, PreparedEvent, PrepareOutcome } from '../define/compiled-view.ts';
import type { Cell } from '../values/cell.ts';
import { emptyCounts, type LogCounts } from '../admission/log-counts.ts';
import type { Derive } from '../derived/derive.ts';
import { storedFeatures } from '../define/view-layout.ts';
import { deriveOf } from '../state/derived-cells.ts';
import { HeldStates } from '../state/held-states.ts';
import { encodedEventBytes } from '../state/state-size.ts';
import { defaultsOf, type FeatureDefault, fillDefaults, withoutDefaults } from '../state/feature-defaults.ts';
import type { ViewReducer } from '../state/view-reducer.ts';
import { createViewReducer } from '../state/create-view-reducer.ts';
import type { EntityIndex } from './entity-index.ts';
import { invalidForView } from './invalid-for-view.ts';

/** Where the cells of labels go, in the order of the view's own features. */
export interface CellSink {
  append(rowNumber: number, cells: readonly Cell[]): void;
}

/** What a sweep reads of a view for one block of the service. */
export interface BlockReads {
  /** Which of a label's ids is the block's entity. */
  readonly place: number;
  readonly sink: CellSink;
  /** Labels read whose entity had no event yet. */
  rowsWithoutState: number;
  /** Per feature, labels of which its default was read: there was nothing. */
  readonly defaulted: number[];
}

/** Nothing read yet, of a view of so many features. */
export function blockReads(place: number, sink: CellSink, features: number): BlockReads {
  return { place, sink, rowsWithoutState: 0, defaulted: Array.from({ length: features }, () => 0) };
}

/** One view in a sweep: the states of its entities at the time the sweep has come to, read for each of its blocks. */
export class ViewSweep {
  readonly view: CompiledView;
  /** The entities that labels ask for. */
  readonly index: EntityIndex;
  readonly blocks: readonly BlockReads[];
  readonly counts: LogCounts = emptyCounts();
  /** Told of the records that the view's functions fail on; null: no limit is held. */
  limit: BatchLimit | null = null;
  readonly #reducer: ViewReducer;
  readonly #prepared: PreparedEvent;
  readonly #emptyCells: readonly Cell[];
  readonly #defaults: readonly FeatureDefault[];
  readonly #derive: Derive | null;
  readonly #bytesPerEvent: number;
  #states: HeldStates;

  constructor(view: CompiledView, index: EntityIndex, blocks: readonly BlockReads[]) {
    this.view = view;
    // Defaults are put in here, where they are counted, and before what is derived of them.
    const { layout } = view;
    this.#reducer = createViewReducer(withoutDefaults({ ...layout, features: storedFeatures(layout) }));
    this.#derive = deriveOf(layout, view.derived);
    this.#defaults = defaultsOf(view.layout);
    this.#bytesPerEvent = encodedEventBytes(view.layout);
    this.#states = new HeldStates(this.#reducer, 0);
    this.index = index;
    this.blocks = blocks;
    this.#prepared = emptyPrepared(view.layout.slots);
    // With no event in any window a read does not depend on the time.
    this.#emptyCells = this.#reducer.read(this.#reducer.empty(), 0);
  }

  /** Forgets all states; the next sweep begins, which lets so much of the heap be taken by decoded ones. */
  begin(decodedBytes: number, slabBytes: number): void {
    this.#states = new HeldStates(this.#reducer, decodedBytes, slabBytes);
  }

  /** Forgets all states; the next pass begins. */
  clear(): void {
    this.#states.clear(true);
  }

  drop(id: number): void {
    this.#states.delete(id);
  }

  /** Makes room where states were dropped. */
  pack(): void {
    this.#states.pack();
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
    const id = this.index.idOf(prepared.keyText);
    if (id === undefined) return false;
    this.#reducer.apply(this.#states.toChange(id), prepared);
    return true;
  }

  #count(event: LogEvent, counts: LogCounts, outcome: Exclude<PrepareOutcome, 'ok'>): void {
    if (outcome === 'filtered') counts.filtered++;
    else if (outcome === 'null-key') counts.nullKey++;
    else {
      counts.invalid++;
      this.limit?.add(invalidForView(this.view, event, outcome.invalid));
    }
  }

  /** Hot path: reads the features of one label for one of the blocks. */
  read(block: BlockReads, id: number, timeUs: number, rowNumber: number): void {
    const state = this.#states.toRead(id);
    if (state === undefined) {
      block.rowsWithoutState++;
      block.sink.append(rowNumber, this.#completed(block, [...this.#emptyCells], timeUs));
      return;
    }
    if (!this.#reducer.finds(state, timeUs)) block.rowsWithoutState++;
    block.sink.append(rowNumber, this.#completed(block, this.#reducer.read(state, timeUs), timeUs));
  }

  #completed({ defaulted }: BlockReads, cells: Cell[], timeUs: number): Cell[] {
    for (const { index } of this.#defaults) if (cells[index] === null) defaulted[index]! += 1;
    fillDefaults(cells, this.#defaults);
    this.#derive?.(cells, timeUs);
    return cells;
  }

  /** What the states take outside of the heap, and so many events more can add to them. */
  bytes(events: number): number {
    return this.#states.bytes + events * this.#bytesPerEvent;
  }
}
