import type { ScalarType } from '../values/field-type.ts';
import type { SlotLayout } from './view-layout.ts';

/** What stands at one index of `PreparedEvent.inputs`. */
export interface SlotInput {
  /** Index into the layout's slots. */
  readonly slot: number;
  /** `value`: what the slot aggregates; null there, the slot skips the event. `order`: the y of `minBy` and `maxBy`. */
  readonly role: 'value' | 'order';
  /** Null: of a count of rows, true. */
  readonly type: ScalarType | null;
}

/** The inputs of a layout's slots, by their index: first the value of each, then, slot by slot, what some take beside it. */
export function slotInputs(slots: readonly SlotLayout[]): SlotInput[] {
  return [
    ...slots.map(({ input }, slot): SlotInput => ({ slot, role: 'value', type: input })),
    ...slots.flatMap(({ order }, slot): SlotInput[] =>
      order === undefined ? [] : [{ slot, role: 'order', type: order }],
    ),
  ];
}

/** Where the y of a slot stands among the inputs; -1 of a slot that takes none. */
export function orderIndex(slots: readonly SlotLayout[], slot: number): number {
  return slotInputs(slots).findIndex((input) => input.slot === slot && input.role === 'order');
}
