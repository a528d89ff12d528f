import type { ScalarValue } from '../values/field-type.ts';
import type { PreparedEvent } from '../define/compiled-view.ts';
import { slotInputs } from '../define/slot-inputs.ts';
import { isLastEvent, isOrdered, type ViewLayout } from '../define/view-layout.ts';

/** Before the numbers of the slots: event time, partition, offset, and the row of the entity's event before this one. */
const FIXED_NUMBERS = 4;
const BEFORE = 3;
/** A reference, and half of the text it may hold alone. */
const BYTES_PER_REF = 40;

/** How the events of a view are written into rows of numbers and rows of references, and read back. */
export class SlotPlaces {
  readonly numberWidth: number;
  readonly refWidth: number;
  /** About what one event takes. */
  readonly bytesPerEvent: number;
  /** Indexes of inputs that are numbers. */
  readonly #numbers: number[] = [];
  /** Of those that are true or false (or true, for a count of rows). */
  readonly #booleans: number[] = [];
  /** Of those that are texts and big integers. */
  readonly #refs: number[] = [];
  /** Whether ids matter: only partials that pick events by their order break ties by them. */
  readonly hasIds: boolean;
  /** The slots that ids matter to, where all of them are lifetime `last`; else null. */
  readonly lastSlots: readonly number[] | null;

  constructor(layout: ViewLayout) {
    for (const [index, { type }] of slotInputs(layout.slots).entries()) {
      if (type === null || type.kind === 'boolean') this.#booleans.push(index);
      else if (type.kind === 'int' || type.kind === 'double' || type.kind === 'timestamp') this.#numbers.push(index);
      else this.#refs.push(index);
    }
    const ordered = [...layout.slots.entries()].filter(([, { partial }]) => isOrdered(partial));
    this.hasIds = ordered.length > 0 && layout.tieBreak !== 'offset';
    const isLast = ordered.every(([, slot]) => isLastEvent(slot) && layout.groups[slot.group]?.hopUs === null);
    this.lastSlots = isLast ? ordered.map(([slot]) => slot) : null;
    this.numberWidth = FIXED_NUMBERS + this.#numbers.length + this.#booleans.length;
    this.refWidth = this.#refs.length;
    this.bytesPerEvent = this.numberWidth * 8 + (this.refWidth + (this.hasIds ? 1 : 0)) * BYTES_PER_REF;
  }

  /** Writes an event, but for its id, into row `row`. */
  write(event: PreparedEvent, row: number, before: number, values: Float64Array, refs: ScalarValue[]): void {
    const numbers = this.#numbers;
    const booleans = this.#booleans;
    const { inputs } = event;
    let at = row * this.numberWidth;
    values[at++] = event.eventTimeUs;
    values[at++] = event.partition;
    values[at++] = event.offset;
    values[at++] = before;
    // NaN is null: no contract lets it in.
    for (let index = 0; index < numbers.length; index++) {
      const value = inputs[numbers[index] as number];
      values[at++] = value === null ? Number.NaN : (value as number);
    }
    for (let index = 0; index < booleans.length; index++) {
      const value = inputs[booleans[index] as number];
      values[at++] = value === null ? Number.NaN : value === true ? 1 : 0;
    }
    let ref = row * this.refWidth;
    for (let index = 0; index < this.#refs.length; index++)
      refs[ref++] = inputs[this.#refs[index] as number] as ScalarValue;
  }

  /** Reads row `row` into `event`, but for the id; gives the row of the entity's event before it. */
  read(event: PreparedEvent, row: number, values: Float64Array, refs: readonly ScalarValue[]): number {
    const numbers = this.#numbers;
    const booleans = this.#booleans;
    const { inputs } = event;
    let at = row * this.numberWidth;
    const before = values[at + BEFORE] as number;
    event.eventTimeUs = values[at] as number;
    event.partition = values[at + 1] as number;
    event.offset = values[at + 2] as number;
    at += FIXED_NUMBERS;
    for (let index = 0; index < numbers.length; index++) {
      const value = values[at++] as number;
      inputs[numbers[index] as number] = value !== value ? null : value;
    }
    for (let index = 0; index < booleans.length; index++) {
      const value = values[at++] as number;
      inputs[booleans[index] as number] = value !== value ? null : value === 1;
    }
    let ref = row * this.refWidth;
    for (let index = 0; index < this.#refs.length; index++)
      inputs[this.#refs[index] as number] = refs[ref++] as ScalarValue;
    return before;
  }
}
