import type { Derive } from '../derived/derive.ts';
import type { DerivedFailure, DerivedPlan } from '../derived/derive-step.ts';
import type { Cell } from '../values/cell.ts';
import type { PreparedEvent } from '../define/compiled-view.ts';
import { isReadable, isRetired, semanticsRetired, semanticsUnreadable } from '../define/semantics.ts';
import { ENGINE_SEMANTICS, storedFeatures, type ViewLayout } from '../define/view-layout.ts';
import { internalBug } from '../errors/millrace-error.ts';
import { ByteWriter } from '../reduce/byte-writer.ts';
import type { RangeReader } from '../reduce/partial-reducer.ts';
import { deriveOf } from './derived-cells.ts';
import { defaultsOf, type FeatureDefault, fillDefaults } from './feature-defaults.ts';
import { layoutTag } from './layout-tag.ts';
import { decodeState, encodeState } from './state-codec.ts';
import {
  createTileGroups,
  emptyRows,
  endRow,
  expireRows,
  firstRowFrom,
  mergeRows,
  oldestTile,
  rowOf,
  type TileGroup,
  tileOf,
} from './tile-group.ts';
import type { TileState } from './tile-state.ts';
import type { StateReader, ViewReducer } from './view-reducer.ts';
import { firstTileSeen, isSameSpan, lastTileSeen, reachUs, type WindowSpan } from './window-tiles.ts';

/**
 * The engine of one view: apply, merge, read and the canonical codec (design §5 and §6). Holds no state of its own but a
 * buffer; one per view and thread is enough. Times are epoch µs.
 *
 * @param derived the code of the layout's derived features, for who reads those: `view.derived`. Without it such a read is a bug.
 *
 * Throws MillraceError `semantics-retired` for a layout of earlier semantics, `semantics-mismatch` for one of later.
 *
 * @example
 * const reducer = createViewReducer(view.layout);
 * const state = reducer.empty();
 * reducer.apply(state, event);
 * const [flights1d] = reducer.read(state, clock.nowUs());
 */
export function createViewReducer(layout: ViewLayout, derived?: readonly DerivedPlan[]): ViewReducer {
  if (isRetired(layout.semantics)) throw semanticsRetired(layout.view, null, layout.semantics);
  if (layout.semantics !== ENGINE_SEMANTICS) throw semanticsUnreadable(layout.view, layout.semantics);
  return new TileViewReducer(layout, derived);
}

/**
 * Reads stored states of a layout of this engine's semantics or of the one before: what an upgrade finds is served on (design §16).
 *
 * Throws MillraceError `semantics-mismatch` for a layout of any other.
 *
 * @example
 * const reader = createStateReader(version.layout);
 * const values = reader.read(reader.decode(bytes), clock.nowUs());
 */
export function createStateReader(layout: ViewLayout, derived?: readonly DerivedPlan[]): StateReader {
  if (!isReadable(layout.semantics)) throw semanticsUnreadable(layout.view, layout.semantics);
  return new TileViewReducer(layout, derived);
}

/** A distinct (group, window): its rows are looked up once per read, whatever number of features it has. */
interface WindowPlan extends WindowSpan {
  readonly group: number;
}

interface FeaturePlan {
  readonly window: number;
  readonly group: number;
  readonly read: RangeReader;
}

class TileViewReducer implements ViewReducer<TileState> {
  readonly layout: ViewLayout;
  readonly layoutTag: number;
  readonly #groups: readonly TileGroup[];
  readonly #windows: readonly WindowPlan[];
  readonly #features: readonly FeaturePlan[];
  readonly #defaults: readonly FeatureDefault[];
  readonly #expireUs: number;
  readonly #nothing: TileState;
  readonly #derive: Derive | null;
  readonly #writer = new ByteWriter();
  /** Scratch of `read`: first row and end row per window. */
  readonly #from: number[];
  readonly #to: number[];

  constructor(layout: ViewLayout, derived: readonly DerivedPlan[] | undefined) {
    this.layout = layout;
    this.layoutTag = layoutTag(layout);
    this.#groups = createTileGroups(layout);
    const windows: WindowPlan[] = [];
    this.#features = storedFeatures(layout).map((feature) => {
      const slot = layout.slots[feature.slot];
      const group = slot === undefined ? undefined : this.#groups[slot.group];
      if (slot === undefined || group === undefined) throw internalBug(`feature "${feature.name}" has no slot`);
      if ((feature.windowUs === null) !== (group.hopUs === null) || reachUs(feature) > group.spanUs) {
        throw internalBug(`feature "${feature.name}" does not fit its hop group`);
      }
      let window = windows.findIndex((known) => known.group === slot.group && isSameSpan(known, feature));
      if (window < 0) {
        const { windowUs, agoUs } = feature;
        window = windows.push({ group: slot.group, windowUs, agoUs }) - 1;
      }
      const partial = group.partials[group.slots.indexOf(feature.slot)]!;
      return { window, group: slot.group, read: partial.reader(feature) };
    });
    this.#defaults = defaultsOf(layout);
    this.#expireUs = layout.expireUs ?? Number.POSITIVE_INFINITY;
    this.#nothing = this.empty();
    this.#derive = deriveOf(layout, derived);
    this.#windows = windows;
    this.#from = windows.map(() => 0);
    this.#to = windows.map(() => 0);
  }

  empty(): TileState {
    return { newestEventTimeUs: Number.NEGATIVE_INFINITY, groups: this.#groups.map((group) => emptyRows(group)) };
  }

  apply(state: TileState, event: PreparedEvent): boolean {
    const timeUs = event.eventTimeUs;
    const newer = timeUs > state.newestEventTimeUs;
    // + 0: a time of -0 is 0.
    if (newer) state.newestEventTimeUs = timeUs + 0;
    const { inputs } = event;
    let taken = false;
    for (let index = 0; index < this.#groups.length; index++) {
      const group = this.#groups[index]!;
      const rows = state.groups[index]!;
      let tile = 0;
      if (group.hopUs !== null) {
        tile = tileOf(timeUs, group.hopUs);
        const oldest = oldestTile(group, state.newestEventTimeUs);
        if (newer) expireRows(group, rows, oldest);
        else if (tile < oldest) continue;
      }
      taken = true;
      const row = rowOf(group, rows, tile);
      const { partials, slots } = group;
      for (let at = 0; at < partials.length; at++) {
        const value = inputs[slots[at]!]!;
        if (value !== null) partials[at]!.add(rows, row, event, value);
      }
    }
    return taken;
  }

  mergeInto(state: TileState, other: TileState): void {
    const newer = other.newestEventTimeUs > state.newestEventTimeUs;
    if (newer) state.newestEventTimeUs = other.newestEventTimeUs;
    for (let index = 0; index < this.#groups.length; index++) {
      const group = this.#groups[index]!;
      const oldest = oldestTile(group, state.newestEventTimeUs);
      if (newer) expireRows(group, state.groups[index]!, oldest);
      mergeRows(group, state.groups[index]!, other.groups[index]!, oldest);
    }
  }

  finds(state: TileState, atUs: number): boolean {
    return state.newestEventTimeUs > atUs - this.#expireUs;
  }

  read(stored: TileState, atUs: number, onFailed?: (failure: DerivedFailure) => void): Cell[] {
    const state = this.finds(stored, atUs) ? stored : this.#nothing;
    for (let index = 0; index < this.#windows.length; index++) {
      const span = this.#windows[index]!;
      const { group: at, windowUs } = span;
      const group = this.#groups[at]!;
      const rows = state.groups[at]!;
      const end = endRow(group, rows);
      if (windowUs === null || group.hopUs === null) {
        this.#from[index] = rows.head;
        this.#to[index] = end;
        continue;
      }
      const last = lastTileSeen(span, group.hopUs, atUs);
      const newest = end > rows.head ? rows.cells[(end - 1) * group.cellStride]! : last;
      const to = newest <= last ? end : firstRowFrom(group, rows, last + 1, end);
      this.#to[index] = to;
      this.#from[index] = firstRowFrom(group, rows, firstTileSeen(span, windowUs, group.hopUs, atUs), to);
    }
    const cells: Cell[] = [];
    for (let index = 0; index < this.#features.length; index++) {
      const { window, group, read } = this.#features[index]!;
      cells.push(read(state.groups[group]!, this.#from[window]!, this.#to[window]!));
    }
    fillDefaults(cells, this.#defaults);
    this.#derive?.(cells, atUs, onFailed);
    return cells;
  }

  encode(state: TileState): Uint8Array {
    this.encodeTo(state, this.#writer);
    return this.#writer.take();
  }

  encodeTo(state: TileState, writer: ByteWriter): void {
    encodeState(this.#groups, this.layoutTag, state, writer);
  }

  decode(bytes: Uint8Array): TileState {
    return decodeState(this.#groups, this.layout, this.layoutTag, bytes);
  }
}
