import type { ScalarType } from '../values/field-type.ts';
import type { SlotLayout, ViewLayout } from '../define/view-layout.ts';
import { internalBug } from '../errors/millrace-error.ts';
import { approxDistinctShape, createApproxDistinct } from './approx-distinct.ts';
import { byCategoryShape, createByCategory } from './by-category.ts';
import { countShape, createCount } from './count.ts';
import { createFirstLast, firstLastShape } from './first-last.ts';
import { createFirstLastN, firstLastNShape, type ListedInput } from './first-last-n.ts';
import { createMinMax, minMaxShape } from './min-max.ts';
import { createMinMaxBy, minMaxByShape, type OrderedInput } from './min-max-by.ts';
import { createMoments, momentsShape } from './moments.ts';
import type { PartialReducer, PartialShape } from './partial-reducer.ts';
import { createQuantiles, quantilesShape } from './quantiles.ts';
import { createSum, sumShape } from './sum.ts';
import { createValueCounts, valueCountsShape } from './value-counts.ts';
import type { RowPlace } from './tile-rows.ts';

/** A slot, and how its view orders events. */
export interface SlotPlace {
  readonly slot: SlotLayout;
  readonly tieBreak: ViewLayout['tieBreak'];
  /** Where among an event's inputs its y stands, of `minBy` and `maxBy`. */
  readonly orderIndex: number;
  /** Where its category stands, of a slot that is divided. */
  readonly categoryIndex: number;
}

/** What a slot takes of a row. */
export function partialShape(given: SlotPlace): PartialShape {
  return given.slot.by === undefined ? wholeShape(given) : byCategoryShape(wholeShape(given));
}

function wholeShape(given: SlotPlace): PartialShape {
  const { slot, tieBreak } = given;
  switch (slot.partial) {
    case 'count':
      return countShape;
    case 'sum':
      return sumShape(inputOf(slot));
    case 'moments':
      return momentsShape(inputOf(slot));
    case 'quantiles':
      return quantilesShape;
    case 'approxDistinct':
      return approxDistinctShape;
    case 'min':
    case 'max':
      return minMaxShape(inputOf(slot));
    case 'first':
    case 'last':
      return firstLastShape(inputOf(slot), tieBreak);
    case 'minBy':
    case 'maxBy':
      return minMaxByShape(orderedOf(given), tieBreak);
    case 'firstN':
    case 'lastN':
      return firstLastNShape;
    case 'values':
    case 'counts':
      return valueCountsShape;
  }
}

/** The reducer of a slot, bound to its place in the rows of its group. */
export function createPartial(slot: SlotPlace, place: RowPlace): PartialReducer {
  // All reducers made by one literal have one hidden class: the hot loops' look-ups of their functions stay monomorphic.
  const { add, merge, encode, decode, reader } =
    slot.slot.by === undefined ? partialOf(slot, place) : dividedPartial(slot, slot.slot.by, place);
  return { add, merge, encode, decode, reader };
}

function dividedPartial(
  given: SlotPlace,
  { type, limit }: NonNullable<SlotLayout['by']>,
  place: RowPlace,
): PartialReducer {
  const { categoryIndex: index } = given;
  if (index < 0) throw internalBug(`a ${given.slot.partial} slot without its categories`);
  return createByCategory({ type, limit, index }, wholeShape(given), (inner) => partialOf(given, inner), place);
}

function partialOf(given: SlotPlace, place: RowPlace): PartialReducer {
  const { slot, tieBreak } = given;
  switch (slot.partial) {
    case 'count':
      return createCount(place);
    case 'sum':
      return createSum(inputOf(slot), place);
    case 'moments':
      return createMoments(inputOf(slot), place);
    case 'quantiles':
      return createQuantiles(inputOf(slot), bitsOf(slot), place);
    case 'approxDistinct':
      return createApproxDistinct(inputOf(slot), hashesOf(slot), place);
    case 'min':
    case 'max':
      return createMinMax(slot.partial, inputOf(slot), place);
    case 'first':
    case 'last':
      return createFirstLast(slot.partial, inputOf(slot), tieBreak, place);
    case 'minBy':
    case 'maxBy':
      return createMinMaxBy(slot.partial, orderedOf(given), tieBreak, place);
    case 'firstN':
    case 'lastN':
      return createFirstLastN(slot.partial, listedOf(slot), tieBreak, place);
    case 'values':
    case 'counts':
      return createValueCounts(slot.partial, limitedOf(slot), place);
  }
}

function inputOf(slot: SlotLayout): ScalarType {
  if (slot.input === null) throw internalBug(`a ${slot.partial} slot without an input`);
  return slot.input;
}

function listedOf(slot: SlotLayout): ListedInput {
  const { partial, size, distinct } = slot;
  if (size === undefined) throw internalBug(`a ${partial} slot without a size`);
  return { input: inputOf(slot), size, distinct: distinct === true };
}

function bitsOf({ partial, octaveBits }: SlotLayout): number {
  if (octaveBits === undefined) throw internalBug(`a ${partial} slot without a width of buckets`);
  return octaveBits;
}

function hashesOf({ partial, hashes }: SlotLayout): number {
  if (hashes === undefined) throw internalBug(`a ${partial} slot without a number of hashes`);
  return hashes;
}

function limitedOf(slot: SlotLayout): { readonly input: ScalarType; readonly limit: number } {
  const { partial, limit } = slot;
  if (limit === undefined) throw internalBug(`a ${partial} slot without a limit`);
  return { input: inputOf(slot), limit };
}

function orderedOf({ slot, orderIndex }: SlotPlace): OrderedInput {
  const { partial, order } = slot;
  if (order === undefined || orderIndex < 0) throw internalBug(`a ${partial} slot without an order`);
  return { x: inputOf(slot), y: order, orderIndex };
}
