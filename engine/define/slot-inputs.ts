import type { ScalarType } from '../values/field-type.ts';
import type { SlotLayout } from './view-layout.ts';

/** What stands at one index of `PreparedEvent.inputs`. */
export interface SlotInput {
  /** Index into the layout's slots. */
  readonly slot: number;
  /**
   * `value`: what the slot aggregates; null there, the slot skips the event. `order`: the y of `minBy` and `maxBy`. `category`: what `.by` divides
   * its events by. Where one of these is null, `prepare` has set the value to null, too.
   */
  readonly role: 'value' | 'order' | 'category';
  /** Null: of a count of rows, true. */
  readonly type: ScalarType | null;
}

/** What a slot takes beside its value. */
export type RoleBeside = Exclude<SlotInput['role'], 'value'>;

/** The inputs of a layout's slots, by their index: first the value of each, then, slot by slot, what some take beside it. */
export function slotInputs(slots: readonly SlotLayout[]): SlotInput[] {
  return [
    ...slots.map(({ input }, slot): SlotInput => ({ slot, role: 'value', type: input })),
    ...slots.flatMap(({ order, by }, slot): SlotInput[] => [
      ...(order === undefined ? [] : [{ slot, role: 'order', type: order } as const]),
      ...(by === undefined ? [] : [{ slot, role: 'category', type: by.type } as const]),
    ]),
  ];
}

/** Where what a slot takes beside its value stands among the inputs; -1 where it takes none. */
export function indexBeside(slots: readonly SlotLayout[], slot: number, role: RoleBeside): number {
  return slotInputs(slots).findIndex((input) => input.slot === slot && input.role === role);
}
