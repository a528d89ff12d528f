import type { ScalarType } from '../values/field-type.ts';
import type { SlotLayout, ViewLayout } from '../define/view-layout.ts';
import { internalBug } from '../errors/millrace-error.ts';
import { countShape, createCount } from './count.ts';
import { createFirstLast, firstLastShape } from './first-last.ts';
import { createMinMax, minMaxShape } from './min-max.ts';
import type { PartialReducer, PartialShape } from './partial-reducer.ts';
import { createSum, sumShape } from './sum.ts';
import type { RowPlace } from './tile-rows.ts';

/** What a slot takes of a row. */
export function partialShape(slot: SlotLayout, tieBreak: ViewLayout['tieBreak']): PartialShape {
  switch (slot.partial) {
    case 'count':
      return countShape;
    case 'sum':
      return sumShape(inputOf(slot));
    case 'min':
    case 'max':
      return minMaxShape(inputOf(slot));
    case 'first':
    case 'last':
      return firstLastShape(inputOf(slot), tieBreak);
  }
}

/** The reducer of a slot, bound to its place in the rows of its group. */
export function createPartial(slot: SlotLayout, tieBreak: ViewLayout['tieBreak'], place: RowPlace): PartialReducer {
  // All reducers made by one literal have one hidden class: the hot loops' look-ups of their functions stay monomorphic.
  const { add, merge, encode, decode, reader } = partialOf(slot, tieBreak, place);
  return { add, merge, encode, decode, reader };
}

function partialOf(slot: SlotLayout, tieBreak: ViewLayout['tieBreak'], place: RowPlace): PartialReducer {
  switch (slot.partial) {
    case 'count':
      return createCount(place);
    case 'sum':
      return createSum(inputOf(slot), place);
    case 'min':
    case 'max':
      return createMinMax(slot.partial, inputOf(slot), place);
    case 'first':
    case 'last':
      return createFirstLast(slot.partial, inputOf(slot), tieBreak, place);
  }
}

function inputOf(slot: SlotLayout): ScalarType {
  if (slot.input === null) throw internalBug(`a ${slot.partial} slot without an input`);
  return slot.input;
}
