import type { Cell } from '../values/cell.ts';
import { storedFeatures, type ViewLayout } from '../define/view-layout.ts';
import { internalBug } from '../errors/millrace-error.ts';
import { ByteWriter } from '../reduce/byte-writer.ts';
import type { RangeReader } from '../reduce/partial-reducer.ts';
import type { TileRows } from '../reduce/tile-rows.ts';
import { createTileGroups, endRow, firstRowFrom, oldestTile, type TileGroup } from './tile-group.ts';
import type { TileState } from './tile-state.ts';
import type { EntityState } from './view-reducer.ts';

/** One tile of a group: its index and, per slot of the group, the bytes of its partial as Latin-1 text (equal texts are equal partials). */
export interface InspectedTile {
  readonly index: number;
  readonly partials: readonly string[];
}

/** One hop group of a state. */
export interface InspectedGroup {
  /** Null for the lifetime group, whose one tile has index 0. */
  readonly hopUs: number | null;
  /** Indexes into the layout's slots, in the order of a tile's partials. */
  readonly slots: readonly number[];
  /** Ascending. */
  readonly tiles: readonly InspectedTile[];
}

/**
 * Looks into the states that `createViewReducer(layout)` makes, tile by tile, and cuts them up: for those who have to say why two states
 * differ, or what stands behind a number. One per layout; states of other layouts give nonsense.
 *
 * @example
 * const inspector = new StateInspector(view.layout);
 * const [hourly] = inspector.groups(reducer.decode(row.state));
 */
export class StateInspector {
  readonly layout: ViewLayout;
  readonly #groups: readonly TileGroup[];
  readonly #readers: readonly { readonly group: number; readonly read: RangeReader }[];
  readonly #writer = new ByteWriter();

  constructor(layout: ViewLayout) {
    this.layout = layout;
    this.#groups = createTileGroups(layout);
    this.#readers = storedFeatures(layout).map((feature) => {
      const slot = layout.slots[feature.slot];
      const group = slot === undefined ? undefined : this.#groups[slot.group];
      const partial = group?.partials[group.slots.indexOf(feature.slot)];
      if (slot === undefined || partial === undefined) throw internalBug(`feature "${feature.name}" has no slot`);
      return { group: slot.group, read: partial.reader(feature) };
    });
  }

  /** All groups of a state, in layout order. */
  groups(state: EntityState): InspectedGroup[] {
    return this.#groups.map((group, index) => {
      const rows = rowsOf(state, index);
      const tiles: InspectedTile[] = [];
      for (let row = rows.head; row < endRow(group, rows); row++) {
        tiles.push({ index: rows.cells[row * group.cellStride]!, partials: this.#partials(group, rows, row) });
      }
      return { hopUs: group.hopUs, slots: group.slots, tiles };
    });
  }

  /** The oldest tile of a group that a state whose newest event has this time keeps. */
  oldestTile(group: number, newestUs: number): number {
    return oldestTile(this.#groups[group]!, newestUs);
  }

  /** What a stored feature (by its index in the layout) reads from the tiles [from, to] alone, both included; a lifetime feature has tile 0. */
  readTiles(state: EntityState, feature: number, from: number, to: number): Cell {
    const { group: index, read } = this.#readers[feature]!;
    const group = this.#groups[index]!;
    const rows = rowsOf(state, index);
    const end = endRow(group, rows);
    return read(rows, firstRowFrom(group, rows, from, end), firstRowFrom(group, rows, to + 1, end));
  }

  /** Takes tiles of a group out of a state, in place. */
  removeTiles(state: EntityState, group: number, indexes: ReadonlySet<number>): void {
    const shape = this.#groups[group]!;
    const { cellStride, refStride } = shape;
    const rows = rowsOf(state, group);
    for (let row = endRow(shape, rows) - 1; row >= rows.head; row--) {
      if (!indexes.has(rows.cells[row * cellStride]!)) continue;
      rows.cells.splice(row * cellStride, cellStride);
      rows.refs.splice(row * refStride, refStride);
    }
  }

  /** Gives the tile `from` of a group the index `to`, in place; false where there is no such tile, or one with index `to` already. */
  moveTile(state: EntityState, group: number, from: number, to: number): boolean {
    const shape = this.#groups[group]!;
    const { cellStride, refStride } = shape;
    const rows = rowsOf(state, group);
    const end = endRow(shape, rows);
    const source = firstRowFrom(shape, rows, from, end);
    const target = firstRowFrom(shape, rows, to, end);
    if (source === end || rows.cells[source * cellStride] !== from) return false;
    if (target < end && rows.cells[target * cellStride] === to) return false;
    const cells = rows.cells.splice(source * cellStride, cellStride);
    const refs = rows.refs.splice(source * refStride, refStride);
    cells[0] = to;
    const place = target > source ? target - 1 : target;
    rows.cells.splice(place * cellStride, 0, ...cells);
    rows.refs.splice(place * refStride, 0, ...refs);
    return true;
  }

  #partials(group: TileGroup, rows: TileRows, row: number): string[] {
    return group.partials.map((partial) => {
      this.#writer.reset();
      partial.encode(rows, row, this.#writer);
      return Buffer.from(this.#writer.take()).toString('latin1');
    });
  }
}

function rowsOf(state: EntityState, group: number): TileRows {
  const rows = (state as TileState).groups[group];
  if (rows === undefined) throw internalBug(`a state without group ${group}`);
  return rows;
}
