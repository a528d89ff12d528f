import { BucketState } from '../monitors/bucket-state.ts';
import { bucketRows } from '../monitors/bucket-rows.ts';
import type { BucketTime } from '../monitors/bucket-time.ts';
import type { MonitorBucket, MonitorPlace } from '../monitors/monitor-bucket.ts';
import type { MonitoredField, ValueEntry } from '../monitors/monitored-field.ts';
import { fieldKey, type SegmentState } from '../monitors/segment-state.ts';
import { type Cell, isCellError } from '../values/cell.ts';

/** Why an entity has no values: counted as left out while it is tallied, told as `found`. */
const NOT_FOUND = 'not-found';
/** Reads of an entity beside the one that counts. */
export const REPEATED_READ = 'repeated-read';
export const STATE_CORRUPT = 'state-corrupt';

/** Entities of one hour and how their values were, whole and by segment: a function of the set of them. */
export class EntityTally {
  readonly #fields: readonly MonitoredField[];
  readonly #keys: readonly string[];
  readonly #segments: readonly string[];
  readonly #bucket = new BucketState();

  /** @param segments names of the segments that entities are told apart by */
  constructor(fields: readonly MonitoredField[], segments: readonly string[]) {
    this.#fields = fields;
    this.#keys = fields.map(fieldKey);
    this.#segments = segments;
  }

  /**
   * One entity.
   *
   * @param values of its segments, in their order; null: it belongs to none
   * @param cells of its fields, in their order; an error counts as null. Null: it was not found, and has none
   */
  add(values: readonly (string | null)[], cells: readonly Cell[] | null): void {
    const targets = this.#targets(values);
    for (const target of targets) {
      target.records++;
      if (cells === null) target.leftOut.add(NOT_FOUND, 1);
    }
    if (cells === null) return;
    for (let index = 0; index < this.#fields.length; index++) {
      const field = this.#fields[index]!;
      const cell = cells[index] ?? null;
      const value = isCellError(cell) ? null : cell;
      const entry: ValueEntry | null = value === null ? null : (field.entryOf?.(value) ?? null);
      for (const target of targets) {
        const state = target.valuesOf(this.#keys[index]!, field);
        if (value === null) state.nulls++;
        else if (entry === null) state.addPlain(1);
        else state.add(entry, 1);
      }
    }
  }

  /** What is counted of an entity beside its values. */
  note(values: readonly (string | null)[], reason: typeof REPEATED_READ | typeof STATE_CORRUPT, times: number): void {
    for (const target of this.#targets(values))
      (reason === STATE_CORRUPT ? target.invalid : target.leftOut).add(reason, times);
  }

  /** As readers see it: the whole, the 200 largest segments of each name and `other`. */
  rows(place: MonitorPlace, object: string, time: BucketTime): MonitorBucket[] {
    return bucketRows(object, time, this.#bucket).map((row) => {
      if (row.records === null) return { ...row, place };
      const leftOut = new Map(row.records.leftOut);
      const found = row.count - (leftOut.get(NOT_FOUND) ?? 0);
      leftOut.delete(NOT_FOUND);
      return { ...row, place, records: { ...row.records, leftOut, found } };
    });
  }

  #targets(values: readonly (string | null)[]): SegmentState[] {
    const targets = [this.#bucket.whole];
    for (const [index, name] of this.#segments.entries()) {
      const value = values[index] ?? null;
      if (value !== null) targets.push(this.#bucket.named(name).target(value));
    }
    return targets;
  }
}
