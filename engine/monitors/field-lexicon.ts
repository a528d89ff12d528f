import type { ScalarValue } from '../values/field-type.ts';
import type { MonitoredField, ValueEntry } from './monitored-field.ts';
import { fieldKey } from './segment-state.ts';

/** In place of an id: the value is null, or not looked at. */
export const NULL_ID = -1;
export const PLAIN_ID = -2;
/** Values that are remembered from one batch to the next. */
const MOST_REMEMBERED = 65_536;

/** The values of one field by number, so that what is made of a value is made once, and counted by an array. */
export class FieldLexicon {
  readonly field: MonitoredField;
  readonly key: string;
  readonly entries: ValueEntry[] = [];
  readonly #ids = new Map<unknown, number>();

  constructor(field: MonitoredField) {
    this.field = field;
    this.key = fieldKey(field);
  }

  /** Hot path. */
  idOf(value: unknown): number {
    if (value === null || value === undefined) return NULL_ID;
    const { entryOf } = this.field;
    if (entryOf === null) return PLAIN_ID;
    const known = this.#ids.get(value);
    if (known !== undefined) return known;
    const id = this.entries.length;
    this.entries.push(entryOf(value as NonNullable<ScalarValue>));
    this.#ids.set(value, id);
    return id;
  }

  /** Between batches, when no id is used any more. */
  trim(): void {
    if (this.entries.length <= MOST_REMEMBERED) return;
    this.entries.length = 0;
    this.#ids.clear();
  }
}
