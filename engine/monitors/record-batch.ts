import type { CompiledSegment } from '../define/compiled-view.ts';
import type { Row } from '../contract/compiled-contract.ts';
import { type BucketState, PARTITION } from './bucket-state.ts';
import { type FieldLexicon, NULL_ID, PLAIN_ID } from './field-lexicon.ts';
import { segmentValue } from './segment-value.ts';
import type { SegmentState } from './segment-state.ts';

const ROWS = 16_384;
const NO_CELL = -1;

/** The values of one segment's name within a batch: each (hour, value) is a cell, numbered as it comes. */
class Cells {
  readonly name: string;
  readonly hours: number[] = [];
  readonly values: string[] = [];
  readonly ofRow = new Int32Array(ROWS);
  readonly #ids = new Map<number, Map<unknown, number>>();

  constructor(name: string) {
    this.name = name;
  }

  /** @param raw of it the segment's value is made, once for all rows that have it */
  put(row: number, hour: number, raw: unknown): void {
    let ids = this.#ids.get(hour);
    if (ids === undefined) {
      ids = new Map();
      this.#ids.set(hour, ids);
    }
    let cell = ids.get(raw);
    if (cell === undefined) {
      const value = segmentValue(raw);
      cell = value === null ? NO_CELL : this.hours.length;
      if (value !== null) {
        this.hours.push(hour);
        this.values.push(value);
      }
      ids.set(raw, cell);
    }
    this.ofRow[row] = cell;
  }

  clear(): void {
    this.hours.length = 0;
    this.values.length = 0;
    this.#ids.clear();
  }
}

/**
 * Valid records on their way into the buckets of their hours, column by column: what is made of a value is made once, and each cell of hour and segment takes how
 * many times it came. So a record costs an array's step per field and segment.
 */
export class RecordBatch {
  readonly #lexicons: readonly FieldLexicon[];
  readonly #segments: readonly CompiledSegment[];
  readonly #bucketOf: (hourMs: number) => BucketState;
  readonly #ids: readonly Int32Array[];
  readonly #whole = new Cells('');
  readonly #partitions = new Cells(PARTITION);
  readonly #named: readonly Cells[];
  /** NaN: the record has no broker time. */
  readonly #lagsMs = new Float64Array(ROWS);
  readonly #order = new Int32Array(ROWS);
  #scratch = new Int32Array(ROWS);
  readonly #touched: number[] = [];
  #rows = 0;

  constructor(
    lexicons: readonly FieldLexicon[],
    segments: readonly CompiledSegment[],
    bucketOf: (hourMs: number) => BucketState,
  ) {
    this.#lexicons = lexicons;
    this.#segments = segments;
    this.#bucketOf = bucketOf;
    this.#ids = lexicons.map(() => new Int32Array(ROWS));
    this.#named = segments.map(({ name }) => new Cells(name));
  }

  /**
   * Hot path. True when it is full, and is to be flushed.
   *
   * @param hour its bucket (`bucketKey`)
   * @param lagUs broker time less event time; NaN: it has no broker time
   */
  add(row: Row, hour: number, lagUs: number, partition: number | string): boolean {
    const at = this.#rows;
    this.#whole.put(at, hour, '');
    this.#partitions.put(at, hour, partition);
    for (let index = 0; index < this.#named.length; index++)
      this.#named[index]!.put(at, hour, valueIn(this.#segments[index]!, row));
    for (let index = 0; index < this.#lexicons.length; index++) {
      const lexicon = this.#lexicons[index]!;
      this.#ids[index]![at] = lexicon.idOf(row[lexicon.field.name]);
    }
    this.#lagsMs[at] = Math.floor(lagUs / 1000);
    this.#rows = at + 1;
    return this.#rows === ROWS;
  }

  flush(): void {
    if (this.#rows === 0) return;
    const most = Math.max(0, ...this.#lexicons.map(({ entries }) => entries.length));
    if (most > this.#scratch.length) this.#scratch = new Int32Array(most);
    for (const cells of [this.#whole, this.#partitions, ...this.#named]) {
      this.#flushCells(cells);
      cells.clear();
    }
    this.#rows = 0;
    for (const lexicon of this.#lexicons) lexicon.trim();
  }

  /** Takes the rows cell by cell. */
  #flushCells({ name, hours, values, ofRow }: Cells): void {
    const ends = new Int32Array(hours.length + 1);
    for (let row = 0; row < this.#rows; row++) if (ofRow[row] !== NO_CELL) ends[ofRow[row]! + 1]!++;
    for (let cell = 0; cell < hours.length; cell++) ends[cell + 1]! += ends[cell]!;
    const next = ends.slice();
    for (let row = 0; row < this.#rows; row++) if (ofRow[row] !== NO_CELL) this.#order[next[ofRow[row]!]!++] = row;
    for (let cell = 0; cell < hours.length; cell++) {
      const bucket = this.#bucketOf(hours[cell]!);
      const state = name === '' ? bucket.whole : bucket.named(name).target(values[cell]!);
      this.#take(state, ends[cell]!, ends[cell + 1]!);
    }
  }

  #take(state: SegmentState, from: number, until: number): void {
    const order = this.#order;
    state.records += until - from;
    let lagMs = 0;
    for (let at = from; at < until; at++) {
      const lag = this.#lagsMs[order[at]!]!;
      // Sums of 16,384 lags of 10,000 years are safe.
      if (!Number.isNaN(lag)) lagMs += lag;
    }
    state.addLag(lagMs);
    for (let index = 0; index < this.#lexicons.length; index++) this.#takeField(state, index, from, until);
  }

  #takeField(state: SegmentState, index: number, from: number, until: number): void {
    const { key, field, entries } = this.#lexicons[index]!;
    const values = state.valuesOf(key, field);
    const ids = this.#ids[index]!;
    const order = this.#order;
    const scratch = this.#scratch;
    const touched = this.#touched;
    let plain = 0;
    for (let at = from; at < until; at++) {
      const id = ids[order[at]!]!;
      if (id === NULL_ID) values.nulls++;
      else if (id === PLAIN_ID) plain++;
      else if (scratch[id]!++ === 0) touched.push(id);
    }
    if (plain > 0) values.addPlain(plain);
    for (let at = 0; at < touched.length; at++) {
      const id = touched[at]!;
      values.add(entries[id]!, scratch[id]!);
      scratch[id] = 0;
    }
    touched.length = 0;
  }
}

/** What a user's function throws is a segment's value of its own: a record counts all the same. */
function valueIn(segment: CompiledSegment, row: Row): unknown {
  try {
    return segment.of(row);
  } catch {
    return FAILED;
  }
}

/** The segment of the records that the function of a segment throws of. */
export const FAILED = '(failed)';
