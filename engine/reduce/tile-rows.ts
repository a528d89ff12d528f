/** What a row keeps of more than one value. It belongs to that row alone, which may change it in place. */
export interface Collection {
  /** One that shares nothing that may change. */
  copy(): Collection;
  /** About how many bytes of memory it takes, the object included. */
  bytes(): number;
}

/** A value that a row keeps beside numbers. */
export type HeldRef = string | bigint;

/** What a row keeps beside numbers. */
export type Ref = HeldRef | Collection | null;

/**
 * The partials of one hop group of one entity, as flat rows ascending by tile: few objects an entity, and a scan of a window touches one array.
 * Row `r` is `cells[r · cellStride …]` (its first cell is the tile index) and `refs[r · refStride …]`. Rows before `head` have expired.
 */
export interface TileRows {
  readonly cells: number[];
  readonly refs: Ref[];
  head: number;
}

/** Where one partial's cells and refs stand in the rows of its group, and how that group is tiled. */
export interface RowPlace {
  /** Index within the row of the partial's first cell and first ref. */
  readonly cell: number;
  readonly ref: number;
  readonly cellStride: number;
  readonly refStride: number;
  /** `null` for the lifetime group. */
  readonly hopUs: number | null;
}
