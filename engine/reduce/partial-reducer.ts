import type { Cell } from '../values/cell.ts';
import type { ScalarValue } from '../values/field-type.ts';
import type { PreparedEvent } from '../define/compiled-view.ts';
import type { FeatureLayout } from '../define/view-layout.ts';
import type { ByteReader } from './byte-reader.ts';
import type { ByteWriter } from './byte-writer.ts';
import type { Ref, TileRows } from './tile-rows.ts';

/** Gives a feature's cell over rows [from, to). Never throws. */
export type RangeReader = (rows: TileRows, from: number, to: number) => Cell;

/** The cells and refs a partial takes in each row, with the values that mean "nothing yet". */
export interface PartialShape {
  readonly emptyCells: readonly number[];
  readonly emptyRefs: readonly Ref[];
  /** Of a partial with a collection, the most bytes of memory that one event adds to it, long texts aside. */
  readonly eventBytes?: number | undefined;
}

/**
 * One mergeable partial, bound to its place in the rows of its group. `add` and `merge` are commutative and associative: a row is a
 * function of the set of events that fell into it.
 */
export interface PartialReducer {
  /** Takes an event's non-null input into a row. */
  readonly add: (rows: TileRows, row: number, event: PreparedEvent, value: NonNullable<ScalarValue>) => void;
  /** Takes a row of another state, over the same tile, into a row. */
  readonly merge: (rows: TileRows, row: number, from: TileRows, fromRow: number) => void;
  readonly encode: (rows: TileRows, row: number, writer: ByteWriter) => void;
  /** Fills a row whose cells and refs are empty. Throws `state-corrupt`. */
  readonly decode: (rows: TileRows, row: number, reader: ByteReader, newestEventTimeUs: number) => void;
  /** How `feature`, which stands on this partial, is read. */
  readonly reader: (feature: FeatureLayout) => RangeReader;
}
