import type { FeatureLayout } from '../define/view-layout.ts';
import { internalBug } from '../errors/millrace-error.ts';
import { type Cell, isCellError, TOO_MANY_DISTINCT } from '../values/cell.ts';
import { comparisonOf } from '../values/compare.ts';
import { mapText } from '../values/composite-text.ts';
import type { ScalarType, ScalarValue } from '../values/field-type.ts';
import type { ByteReader } from './byte-reader.ts';
import { type Category, CategoryRows, MOST_CATEGORY_BYTES } from './category-rows.ts';
import { BYTES_PER_CELL, BYTES_PER_HELD_REF, BYTES_PER_REF } from './rows-size.ts';
import { asHeld } from './held-value.ts';
import type { PartialReducer, PartialShape, RangeReader } from './partial-reducer.ts';
import type { RowPlace, TileRows } from './tile-rows.ts';
import { optionalValueCodec } from './value-codec.ts';

/** A `CategoryRows`; null: no event yet. An event adds a category at most, and to the partial of it. */
export function byCategoryShape({ emptyCells, emptyRefs, eventBytes = 0 }: PartialShape): PartialShape {
  const row = (1 + emptyCells.length) * BYTES_PER_CELL + emptyRefs.length * (BYTES_PER_REF + BYTES_PER_HELD_REF);
  return { emptyCells: [], emptyRefs: [null], eventBytes: MOST_CATEGORY_BYTES + row + eventBytes };
}

/** What `.by` divides a partial by. */
export interface Division {
  readonly type: ScalarType;
  /** The most categories of a tile, and of a window. */
  readonly limit: number;
  /** Where among an event's inputs the category stands. */
  readonly index: number;
}

/** How the bytes of a tile's categories begin: none, too many, or one more than there are. */
const NONE = 0;
const EXCEEDED = 1;

/**
 * A partial per category, each in a row of its own. With more than the limit a tile keeps that fact alone: which they were, or how many, would
 * depend on the order of the events.
 *
 * @param shape of the partial that is divided
 * @param create makes it, for its place in the rows of a tile's categories
 */
export function createByCategory(
  { type, limit, index }: Division,
  shape: PartialShape,
  create: (place: RowPlace) => PartialReducer,
  { ref, cellStride, refStride, hopUs }: RowPlace,
): PartialReducer {
  const blank = { cells: shape.emptyCells, refs: shape.emptyRefs };
  const innerStride = 1 + shape.emptyCells.length;
  const inner = create({ cell: 1, ref: 0, cellStride: innerStride, refStride: shape.emptyRefs.length, hopUs });
  const codec = optionalValueCodec(type);
  const compare = comparisonOf(type);
  const asKept = asHeld(type);

  const heldAt = (rows: TileRows, row: number): CategoryRows | null =>
    rows.refs[row * refStride + ref] as CategoryRows | null;
  const madeAt = (rows: TileRows, row: number): CategoryRows => {
    const held = heldAt(rows, row);
    if (held !== null) return held;
    const made = new CategoryRows();
    rows.refs[row * refStride + ref] = made;
    return made;
  };
  /** The row of a category, made if there is none; -1 where it is one too many. */
  const placeOf = (held: CategoryRows, category: Category, tile: number): number => {
    const found = held.find(category);
    if (found >= 0) return found;
    if (held.keys.length < limit) return held.add(category, tile, blank);
    held.exceed();
    return -1;
  };
  const isBlank = ({ cells, refs }: TileRows, row: number): boolean =>
    blank.cells.every((cell, at) => Object.is(cells[row * innerStride + 1 + at], cell)) &&
    blank.refs.every((each, at) => Object.is(refs[row * blank.refs.length + at], each));

  return {
    add(rows, row, event, value) {
      const held = madeAt(rows, row);
      if (held.isExceeded) return;
      const place = placeOf(held, asKept(event.inputs[index]!), rows.cells[row * cellStride]!);
      if (place >= 0) inner.add(held.rows, place, event, value);
    },
    merge(rows, row, from, fromRow) {
      const offered = heldAt(from, fromRow);
      if (offered === null) return;
      const held = madeAt(rows, row);
      if (offered.isExceeded) held.exceed();
      for (let at = 0; at < offered.keys.length && !held.isExceeded; at++) {
        const place = placeOf(held, offered.keys[at]!, rows.cells[row * cellStride]!);
        if (place >= 0) inner.merge(held.rows, place, offered.rows, at);
      }
    },
    encode(rows, row, writer) {
      const held = heldAt(rows, row);
      if (held === null) return writer.unsigned(NONE);
      if (held.isExceeded) return writer.unsigned(EXCEEDED);
      writer.unsigned(held.keys.length + EXCEEDED);
      for (const at of inOrder(held.keys, compare)) {
        codec.write(writer, held.keys[at]!);
        inner.encode(held.rows, at, writer);
      }
    },
    decode(rows, row, reader, newestEventTimeUs) {
      const form = reader.unsigned();
      if (form === NONE) return;
      const held = madeAt(rows, row);
      if (form === EXCEEDED) return held.exceed();
      const count = form - EXCEEDED;
      if (count > limit) reader.corrupt('there are more categories than their limit');
      let before: Category | null = null;
      for (let at = 0; at < count; at++) {
        const category = readCategory(codec.read(reader), before, reader);
        before = category;
        inner.decode(held.rows, held.add(category, rows.cells[row * cellStride]!, blank), reader, newestEventTimeUs);
        if (isBlank(held.rows, at)) reader.corrupt('a category holds nothing');
      }
    },
    reader(feature) {
      const { result } = feature;
      if (result.kind !== 'map') throw internalBug(`feature "${feature.name}" has categories and is no map`);
      const each: FeatureLayout = { ...feature, result: result.value };
      return mapReader(heldAt, inner.reader(each), {
        innerStride,
        refCount: blank.refs.length,
        limit,
        compare,
        text: mapText(result),
      });
    },
  };

  function readCategory(category: ScalarValue, before: Category | null, reader: ByteReader): Category {
    if (category === null) return reader.corrupt('a category is null');
    if (before !== null && compare(before, category) >= 0) return reader.corrupt('categories are out of order');
    return category;
  }
}

/** Indexes of the keys, in the order of their type. */
function inOrder(keys: readonly Category[], compare: (a: Category, b: Category) => number): number[] {
  return Array.from(keys.keys()).toSorted((a, b) => compare(keys[a]!, keys[b]!));
}

interface MapReading {
  readonly innerStride: number;
  readonly refCount: number;
  readonly limit: number;
  readonly compare: (a: Category, b: Category) => number;
  readonly text: (keys: readonly Category[], values: readonly ScalarValue[]) => string;
}

/** Reads each category over the tiles it is in, whose partials are brought together in rows of their own. */
function mapReader(
  heldAt: (rows: TileRows, row: number) => CategoryRows | null,
  read: RangeReader,
  { innerStride, refCount, limit, compare, text }: MapReading,
): RangeReader {
  return (rows, from, to): Cell => {
    const together = new Map<Category, TileRows>();
    for (let row = from; row < to; row++) {
      const held = heldAt(rows, row);
      if (held === null) continue;
      if (held.isExceeded) return TOO_MANY_DISTINCT;
      const { keys, rows: of } = held;
      for (let at = 0; at < keys.length; at++) {
        let own = together.get(keys[at]!);
        if (own === undefined) {
          if (together.size === limit) return TOO_MANY_DISTINCT;
          own = { cells: [], refs: [], head: 0 };
          together.set(keys[at]!, own);
        }
        for (let cell = at * innerStride, end = cell + innerStride; cell < end; cell++) own.cells.push(of.cells[cell]!);
        // Only read, so they may be shared.
        for (let ref = at * refCount, end = ref + refCount; ref < end; ref++) own.refs.push(of.refs[ref]!);
      }
    }
    if (together.size === 0) return null;
    const keys = [...together.keys()].sort(compare);
    const values: ScalarValue[] = [];
    for (const key of keys) {
      const own = together.get(key)!;
      const cell = read(own, 0, own.cells.length / innerStride);
      if (isCellError(cell)) return cell;
      values.push(cell);
    }
    return text(keys, values);
  };
}
