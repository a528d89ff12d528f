import { VARCHAR, BLOB, blobValue, INTEGER, type DuckDBBlobValue } from 'duckdb';
import type { ScalarValue } from '../contract/field-type.ts';
import type { PreparedEvent } from '../define/compiled-view.ts';
import type { DuckDb } from '../log/duckdb.ts';
import { RowAppender } from '../log/row-appender.ts';
import type { StateRow } from '../postgres/state-table.ts';
import type { EntityState, ViewReducer } from '../state/view-reducer.ts';
import { keyFromText, keyToText } from './spilled-key.ts';

/** A map entry, its key values and text, and an empty state. */
const BYTES_PER_ENTITY = 600;
/** What flat arrays of numbers take per byte of the packed encoding, with room to grow. */
const MEMORY_PER_ENCODED_BYTE = 10;
/** The most one event can add: a row in every group. */
const BYTES_PER_SLOT = 64;
const SAMPLED_STATES = 256;
/** A measured size this close to the budget is not worth waiting for. */
const SPILL_FROM = 0.8;

interface Entry {
  readonly key: readonly ScalarValue[];
  readonly state: EntityState;
}

/**
 * The states of a backfill. Beyond the budget they go to DuckDB as encoded partial states, and are merged by key when they are read: the
 * bytes are those of a run that never spilled, since states merge whatever the split.
 */
export class StateBuffer {
  readonly #reducer: ViewReducer;
  readonly #duckdb: DuckDb;
  readonly #budgetBytes: number;
  readonly #bytesPerEvent: number;
  readonly #states = new Map<string, Entry>();
  #spillTable: string | null = null;
  #spills = 0;
  /** Size at the last measurement, and what was added since, at most. */
  #measuredBytes = 0;
  #events = 0;
  #entitiesThen = 0;

  constructor(reducer: ViewReducer, duckdb: DuckDb, budgetBytes: number) {
    this.#reducer = reducer;
    this.#duckdb = duckdb;
    this.#budgetBytes = budgetBytes;
    this.#bytesPerEvent = reducer.layout.slots.length * BYTES_PER_SLOT;
  }

  /** Entities held at the moment; those spilled before may be among them again. */
  get heldEntities(): number {
    return this.#states.size;
  }

  /** How often states were spilled. */
  get spills(): number {
    return this.#spills;
  }

  /** Applies one event; false where it was late. */
  apply(event: PreparedEvent): boolean {
    let entry = this.#states.get(event.keyText);
    if (entry === undefined) {
      entry = { key: event.key.slice(), state: this.#reducer.empty() };
      this.#states.set(event.keyText, entry);
    }
    this.#events++;
    return this.#reducer.apply(entry.state, event);
  }

  /** Spills when the budget is used up; to be called between batches. */
  async keepBudget(): Promise<void> {
    const added = this.#events * this.#bytesPerEvent + (this.#states.size - this.#entitiesThen) * BYTES_PER_ENTITY;
    if (this.#measuredBytes + added < this.#budgetBytes) return;
    this.#measure();
    if (this.#measuredBytes >= this.#budgetBytes * SPILL_FROM) await this.#spill();
  }

  /** All states, each entity once, encoded. Nothing may be applied any more. */
  async *rows(signal?: AbortSignal): AsyncGenerator<StateRow> {
    if (this.#spillTable === null) {
      for (const { key, state } of this.#states.values()) yield { key, state: this.#reducer.encode(state) };
      return;
    }
    await this.#spill();
    yield* this.#merged(this.#spillTable, signal);
  }

  #measure(): void {
    const step = Math.max(1, Math.floor(this.#states.size / SAMPLED_STATES));
    let at = 0;
    let sampled = 0;
    let encoded = 0;
    for (const { state } of this.#states.values()) {
      if (at++ % step !== 0) continue;
      encoded += this.#reducer.encode(state).length;
      sampled++;
    }
    const perEntity = BYTES_PER_ENTITY + (sampled === 0 ? 0 : (encoded / sampled) * MEMORY_PER_ENCODED_BYTE);
    this.#measuredBytes = this.#states.size * perEntity;
    this.#entitiesThen = this.#states.size;
    this.#events = 0;
  }

  async #spill(): Promise<void> {
    if (this.#spillTable === null) {
      this.#spillTable = this.#duckdb.newName('spilled_states');
      await this.#duckdb.run(`CREATE TABLE ${this.#spillTable} (key VARCHAR, spill INTEGER, state BLOB)`);
    }
    const appender = await RowAppender.open(this.#duckdb, this.#spillTable, [VARCHAR, INTEGER, BLOB]);
    try {
      for (const { key, state } of this.#states.values()) {
        appender.append(keyToText(key), this.#spills, blobValue(this.#reducer.encode(state)));
      }
    } finally {
      appender.close();
    }
    this.#spills++;
    this.#states.clear();
    this.#measuredBytes = 0;
    this.#entitiesThen = 0;
    this.#events = 0;
  }

  async *#merged(table: string, signal: AbortSignal | undefined): AsyncGenerator<StateRow> {
    const reducer = this.#reducer;
    let key: string | null = null;
    let merged: EntityState | null = null;
    const sql = `SELECT key, state FROM ${table} ORDER BY key, spill`;
    for await (const chunk of this.#duckdb.chunks(sql, [], signal)) {
      const keys = chunk.getColumnVector(0);
      const states = chunk.getColumnVector(1);
      for (let index = 0; index < chunk.rowCount; index++) {
        const next = keys.getItem(index) as string;
        const state = reducer.decode((states.getItem(index) as DuckDBBlobValue).bytes);
        if (next === key && merged !== null) {
          reducer.mergeInto(merged, state);
          continue;
        }
        if (key !== null && merged !== null) yield this.#row(key, merged);
        key = next;
        merged = state;
      }
    }
    if (key !== null && merged !== null) yield this.#row(key, merged);
  }

  #row(key: string, state: EntityState): StateRow {
    return { key: keyFromText(key, this.#reducer.layout), state: this.#reducer.encode(state) };
  }
}
