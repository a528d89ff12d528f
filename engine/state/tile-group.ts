import { createPartial, partialShape } from '../reduce/create-partial.ts';
import type { PartialReducer } from '../reduce/partial-reducer.ts';
import type { Ref, RowPlace, TileRows } from '../reduce/tile-rows.ts';
import { indexBeside } from '../define/slot-inputs.ts';
import type { ViewLayout } from '../define/view-layout.ts';

/** A hop group made ready: the shape of its rows and the reducers of its slots. */
export interface TileGroup {
  /** `null`: the lifetime group, which has one row, with tile index 0. */
  readonly hopUs: number | null;
  readonly spanUs: number;
  readonly cellStride: number;
  readonly refStride: number;
  readonly emptyCells: readonly number[];
  readonly emptyRefs: readonly Ref[];
  /** The most that one event adds to what its row keeps in collections. */
  readonly collectedBytes: number;
  /** Empty rows to copy from: an exact copy in one step is cheaper than growing by pushes. */
  readonly blankCells: number[];
  readonly blankRefs: Ref[];
  readonly partials: readonly PartialReducer[];
  /** Per partial, its index in the layout's slots, which is that of its input in an event. */
  readonly slots: readonly number[];
}

/** The groups of a layout, in its order. */
export function createTileGroups(layout: ViewLayout): TileGroup[] {
  return layout.groups.map((group, index) => {
    const slots = [...layout.slots.keys()].filter((slot) => layout.slots[slot]!.group === index);
    const given = slots.map((slot) => ({
      slot: layout.slots[slot]!,
      tieBreak: layout.tieBreak,
      orderIndex: indexBeside(layout.slots, slot, 'order'),
      categoryIndex: indexBeside(layout.slots, slot, 'category'),
    }));
    const shapes = given.map(partialShape);
    // Cell 0 is the tile index.
    const emptyCells = [0, ...shapes.flatMap((shape) => shape.emptyCells)];
    const emptyRefs = shapes.flatMap((shape) => shape.emptyRefs);
    let cell = 1;
    let ref = 0;
    const partials = given.map((slot, at) => {
      const place: RowPlace = {
        cell,
        ref,
        cellStride: emptyCells.length,
        refStride: emptyRefs.length,
        hopUs: group.hopUs,
      };
      cell += shapes[at]!.emptyCells.length;
      ref += shapes[at]!.emptyRefs.length;
      return createPartial(slot, place);
    });
    return {
      hopUs: group.hopUs,
      spanUs: group.spanUs ?? Number.POSITIVE_INFINITY,
      cellStride: emptyCells.length,
      refStride: emptyRefs.length,
      emptyCells,
      emptyRefs,
      collectedBytes: shapes.reduce((sum, { eventBytes = 0 }) => sum + eventBytes, 0),
      blankCells: doubles(),
      blankRefs: [],
      partials,
      slots,
    };
  });
}

export function emptyRows(group: TileGroup): TileRows {
  return { cells: group.blankCells.slice(0, 0), refs: [], head: 0 };
}

/** Rows enough for `count` tiles, all empty and of tile 0. Throws nothing; the caller has checked that `count` is plausible. */
export function blankRows(group: TileGroup, count: number): TileRows {
  const { blankCells, blankRefs, cellStride, refStride } = group;
  while (blankCells.length < count * cellStride) blankCells.push(...group.emptyCells);
  while (blankRefs.length < count * refStride) blankRefs.push(...group.emptyRefs);
  return { cells: blankCells.slice(0, count * cellStride), refs: blankRefs.slice(0, count * refStride), head: 0 };
}

/**
 * An empty array that V8 keeps as unboxed doubles from the start: an array that begins with small integers is converted, copy and all, at its
 * first fraction, and code that meets both kinds is slower.
 */
function doubles(): number[] {
  const array = [0.5];
  array.length = 0;
  return array;
}

/** One past the last row. */
export function endRow(group: TileGroup, rows: TileRows): number {
  return rows.cells.length / group.cellStride;
}

/** The tile a time falls into. Exact: both are safe integers, and so a quotient cannot round up to the next integer. */
export function tileOf(timeUs: number, hopUs: number): number {
  return Math.floor(timeUs / hopUs);
}

/** The oldest tile that a window of the group can see at any time from `newestUs` on. */
export function oldestTile(group: Pick<TileGroup, 'hopUs' | 'spanUs'>, newestUs: number): number {
  return group.hopUs === null ? 0 : Math.floor((newestUs - group.spanUs) / group.hopUs);
}

/** Adds an empty row at the end. */
export function appendRow(group: TileGroup, rows: TileRows, tile: number): number {
  const { cells, refs } = rows;
  const row = cells.length / group.cellStride;
  cells.push(tile);
  for (let at = 1; at < group.cellStride; at++) cells.push(group.emptyCells[at]!);
  for (let at = 0; at < group.refStride; at++) refs.push(group.emptyRefs[at]!);
  return row;
}

/** The row of a tile, made if there is none. */
export function rowOf(group: TileGroup, rows: TileRows, tile: number): number {
  const end = endRow(group, rows);
  if (end === rows.head) return appendRow(group, rows, tile);
  const newest = rows.cells[(end - 1) * group.cellStride]!;
  if (newest === tile) return end - 1;
  if (newest < tile) return appendRow(group, rows, tile);
  const row = firstRowFrom(group, rows, tile, end);
  if (rows.cells[row * group.cellStride] === tile) return row;
  appendRow(group, rows, tile);
  for (let at = end; at > row; at--) copyRow(group, rows, at - 1, rows, at);
  clearRow(group, rows, row, tile);
  return row;
}

/** The first row whose tile is at least `tile`; `end` if there is none. */
export function firstRowFrom(group: TileGroup, rows: TileRows, tile: number, end: number): number {
  let low = rows.head;
  let high = end;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (rows.cells[middle * group.cellStride]! < tile) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Drops the rows before `tile`. */
export function expireRows(group: TileGroup, rows: TileRows, tile: number): void {
  const end = endRow(group, rows);
  while (rows.head < end && rows.cells[rows.head * group.cellStride]! < tile) rows.head++;
  // Room is given back in bulk: a shift per expired tile would cost the length of the window every time.
  if (rows.head > 0 && (rows.head === end || (rows.head > 16 && rows.head * 2 > end))) {
    rows.cells.splice(0, rows.head * group.cellStride);
    rows.refs.splice(0, rows.head * group.refStride);
    rows.head = 0;
  }
}

/** Merges the rows of `from` with tiles from `tile` on into `rows`; linear, and only from the first tile touched. */
export function mergeRows(group: TileGroup, rows: TileRows, from: TileRows, tile: number): void {
  const stride = group.cellStride;
  const first = firstRowFrom(group, from, tile, endRow(group, from));
  const fromEnd = endRow(group, from);
  let target = endRow(group, rows) - 1;
  let source = fromEnd - 1;
  let missing = 0;
  for (let held = target; source >= first; ) {
    const heldTile = held >= rows.head ? rows.cells[held * stride]! : Number.NEGATIVE_INFINITY;
    const offeredTile = from.cells[source * stride]!;
    if (heldTile >= offeredTile) held--;
    if (heldTile <= offeredTile) source--;
    if (heldTile < offeredTile) missing++;
  }
  for (let added = 0; added < missing; added++) appendRow(group, rows, 0);
  // From the end backwards: every row moves at most once, into a place that is already free.
  let free = target + missing;
  for (source = fromEnd - 1; source >= first; free--) {
    const heldTile = target >= rows.head ? rows.cells[target * stride]! : Number.NEGATIVE_INFINITY;
    const offeredTile = from.cells[source * stride]!;
    if (heldTile < offeredTile) {
      copyRow(group, from, source--, rows, free);
      continue;
    }
    if (target !== free) copyRow(group, rows, target, rows, free);
    target--;
    if (heldTile === offeredTile) {
      for (const partial of group.partials) partial.merge(rows, free, from, source);
      source--;
    }
  }
}

function copyRow(group: TileGroup, from: TileRows, fromRow: number, to: TileRows, toRow: number): void {
  const { cellStride, refStride } = group;
  for (let at = 0; at < cellStride; at++) to.cells[toRow * cellStride + at] = from.cells[fromRow * cellStride + at]!;
  for (let at = 0; at < refStride; at++) {
    const ref = from.refs[fromRow * refStride + at]!;
    // Within its own rows a collection moves; to those of another state it goes as a copy.
    to.refs[toRow * refStride + at] = typeof ref === 'object' && ref !== null && from !== to ? ref.copy() : ref;
  }
}

function clearRow(group: TileGroup, rows: TileRows, row: number, tile: number): void {
  const { cellStride, refStride } = group;
  rows.cells[row * cellStride] = tile;
  for (let at = 1; at < cellStride; at++) rows.cells[row * cellStride + at] = group.emptyCells[at]!;
  for (let at = 0; at < refStride; at++) rows.refs[row * refStride + at] = group.emptyRefs[at]!;
}
