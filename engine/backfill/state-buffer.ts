import { VARCHAR, BLOB, blobValue, INTEGER, type DuckDBBlobValue } from 'duckdb';
import type { PreparedEvent } from '../define/compiled-view.ts';
import type { DuckDb } from '../log/duckdb.ts';
import { RowAppender } from '../log/row-appender.ts';
import type { StateRow } from '../postgres/state-table.ts';
import type { EntityState, ViewReducer } from '../state/view-reducer.ts';
import { EntityNumbers } from './entity-numbers.ts';
import { EventBlock } from './event-block.ts';
import { keyFromText, keyToText } from './spilled-key.ts';

/** A map entry, its key values and text, and an empty state. */
const BYTES_PER_ENTITY = 600;
/** What flat arrays of numbers take per byte of the packed encoding, with room to grow. */
const MEMORY_PER_ENCODED_BYTE = 10;
/** The most one event can add: a row in every group. */
const BYTES_PER_SLOT = 64;
/** What of the budget the events waiting to be applied may take. */
const BLOCK_SHARE = 0.15;
const SAMPLED_STATES = 256;
/** A measured size this close to the budget is not worth waiting for. */
const SPILL_FROM = 0.8;

/**
 * The states of a backfill. Beyond the budget they go to DuckDB as encoded partial states, and are merged by key when they are read: the
 * bytes are those of a run that never spilled, since states merge whatever the split.
 */
export class StateBuffer {
  readonly #reducer: ViewReducer;
  readonly #duckdb: DuckDb;
  readonly #budgetBytes: number;
  readonly #bytesPerEvent: number;
  readonly #entities = new EntityNumbers();
  /** By entity number. */
  readonly #states: EntityState[] = [];
  readonly #block: EventBlock;
  #spillTable: string | null = null;
  #spills = 0;
  /** Size at the last measurement, and what was added since, at most. */
  #measuredBytes = 0;
  #events = 0;
  #entitiesThen = 0;

  constructor(reducer: ViewReducer, duckdb: DuckDb, budgetBytes: number) {
    this.#reducer = reducer;
    this.#duckdb = duckdb;
    this.#block = new EventBlock(reducer, budgetBytes * BLOCK_SHARE);
    this.#budgetBytes = budgetBytes * (1 - BLOCK_SHARE);
    this.#bytesPerEvent = reducer.layout.slots.length * BYTES_PER_SLOT;
  }

  /** Entities held at the moment; those spilled before may be among them again. */
  get heldEntities(): number {
    return this.#states.length;
  }

  /** How often states were spilled. */
  get spills(): number {
    return this.#spills;
  }

  /** Events taken that some window or lifetime feature could see when they came, and those that were late. */
  get counts(): { readonly applied: number; readonly late: number } {
    return this.#block;
  }

  /** Takes one event, which is the caller's again afterwards. */
  add(event: PreparedEvent): void {
    const entity = this.#entities.of(event.key);
    if (entity === this.#states.length) this.#states.push(this.#reducer.empty());
    this.#events++;
    if (this.#block.add(entity, event)) this.#block.apply(this.#states);
  }

  /** Applies what was taken so far. */
  applyAll(): void {
    this.#block.apply(this.#states);
  }

  /** Spills when the budget is used up; to be called between batches. */
  async keepBudget(): Promise<void> {
    const added = this.#events * this.#bytesPerEvent + (this.#states.length - this.#entitiesThen) * BYTES_PER_ENTITY;
    if (this.#measuredBytes + added < this.#budgetBytes) return;
    this.applyAll();
    this.#measure();
    if (this.#measuredBytes >= this.#budgetBytes * SPILL_FROM) await this.#spill();
  }

  /** All states, each entity once, encoded. Nothing may be applied any more. */
  async *rows(signal?: AbortSignal): AsyncGenerator<StateRow> {
    this.applyAll();
    if (this.#spillTable === null) {
      for (const [entity, key] of this.#entities.keys.entries()) {
        yield { key, state: this.#reducer.encode(this.#states[entity] as EntityState) };
      }
      return;
    }
    await this.#spill();
    yield* this.#merged(this.#spillTable, signal);
  }

  #measure(): void {
    const count = this.#states.length;
    const step = Math.max(1, Math.floor(count / SAMPLED_STATES));
    let sampled = 0;
    let encoded = 0;
    for (let entity = 0; entity < count; entity += step) {
      encoded += this.#reducer.encode(this.#states[entity] as EntityState).length;
      sampled++;
    }
    const perEntity = BYTES_PER_ENTITY + (sampled === 0 ? 0 : (encoded / sampled) * MEMORY_PER_ENCODED_BYTE);
    this.#measuredBytes = count * perEntity;
    this.#entitiesThen = count;
    this.#events = 0;
  }

  async #spill(): Promise<void> {
    if (this.#spillTable === null) {
      this.#spillTable = this.#duckdb.newName('spilled_states');
      await this.#duckdb.run(`CREATE TABLE ${this.#spillTable} (key VARCHAR, spill INTEGER, state BLOB)`);
    }
    const appender = await RowAppender.open(this.#duckdb, this.#spillTable, [VARCHAR, INTEGER, BLOB]);
    try {
      for (const [entity, key] of this.#entities.keys.entries()) {
        const state = this.#reducer.encode(this.#states[entity] as EntityState);
        appender.append(keyToText(key), this.#spills, blobValue(state));
      }
    } finally {
      appender.close();
    }
    this.#spills++;
    this.#entities.clear();
    this.#block.forgetEntities();
    this.#states.length = 0;
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
