import type { PreparedEvent } from './compiled-view.ts';
import { slotInputs } from './slot-inputs.ts';
import type { SlotLayout } from './view-layout.ts';

/** An event to prepare into, with room for every input of the slots; drivers use one again and again. */
export function emptyPrepared(slots: readonly SlotLayout[]): PreparedEvent {
  return {
    keyText: '',
    key: [],
    eventTimeUs: 0,
    id: null,
    partition: 0,
    offset: 0,
    inputs: slotInputs(slots).map(() => null),
  };
}
