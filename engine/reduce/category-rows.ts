import type { ScalarValue } from '../values/field-type.ts';
import { BYTES_PER_HELD_REF, BYTES_PER_REF, longRefsBytes, longTextBytes, rowsBytes } from './rows-size.ts';
import type { Collection, Ref, TileRows } from './tile-rows.ts';

export type Category = NonNullable<ScalarValue>;

/** Up to here a look through the categories is faster than a map, which takes ten times their memory. */
const MOST_WITHOUT_MAP = 8;
const BYTES_PER_OBJECT = 160;
const BYTES_PER_MAP_ENTRY = 48;

/** The most that a new category takes, its row and a long text aside: with the map that the first after few has made. */
export const MOST_CATEGORY_BYTES =
  BYTES_PER_OBJECT + BYTES_PER_REF + BYTES_PER_HELD_REF + (MOST_WITHOUT_MAP + 1) * BYTES_PER_MAP_ENTRY;

/** What a new category's row begins as: all cells but the first, which is the tile. */
export interface BlankRow {
  readonly cells: readonly number[];
  readonly refs: readonly Ref[];
}

/** The partials of a tile by category: a row each, in the order they came, all of one tile. */
export class CategoryRows implements Collection {
  readonly keys: Category[];
  readonly rows: TileRows;
  /** There were more than the limit: nothing else is known. */
  isExceeded = false;
  #places: Map<Category, number> | null = null;

  /** @param keys become its own, and the rows of each */
  constructor(keys: Category[] = [], rows: TileRows = { cells: [], refs: [], head: 0 }) {
    this.keys = keys;
    this.rows = rows;
  }

  /** The row of a category; -1 where it has none. */
  find(category: Category): number {
    if (this.#places !== null) return this.#places.get(category) ?? -1;
    return this.keys.indexOf(category);
  }

  /** Adds the row of a category that has none. */
  add(category: Category, tile: number, blank: BlankRow): number {
    const row = this.keys.push(category) - 1;
    const { cells, refs } = this.rows;
    cells.push(tile);
    for (let at = 0; at < blank.cells.length; at++) cells.push(blank.cells[at]!);
    for (let at = 0; at < blank.refs.length; at++) refs.push(blank.refs[at]!);
    if (this.#places !== null) this.#places.set(category, row);
    else if (row >= MOST_WITHOUT_MAP) this.#places = new Map(this.keys.map((key, index) => [key, index]));
    return row;
  }

  /** Forgets all but that there were too many. */
  exceed(): void {
    this.isExceeded = true;
    this.keys.length = 0;
    this.rows.cells.length = 0;
    this.rows.refs.length = 0;
    this.#places = null;
  }

  copy(): CategoryRows {
    const { cells, refs } = this.rows;
    const made = new CategoryRows(this.keys.slice(), {
      cells: cells.slice(),
      refs: refs.map((ref) => (typeof ref === 'object' && ref !== null ? ref.copy() : ref)),
      head: 0,
    });
    made.isExceeded = this.isExceeded;
    if (this.#places !== null) made.#places = new Map(this.#places);
    return made;
  }

  bytes(): number {
    let bytes = BYTES_PER_OBJECT + rowsBytes(this.rows) + longRefsBytes(this.rows) + this.keys.length * BYTES_PER_REF;
    for (const key of this.keys) if (typeof key === 'string') bytes += BYTES_PER_HELD_REF + longTextBytes(key);
    return this.#places === null ? bytes : bytes + this.keys.length * BYTES_PER_MAP_ENTRY;
  }
}
