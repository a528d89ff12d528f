import { BLOB, blobValue, type DuckDBBlobValue, INTEGER, VARCHAR } from 'duckdb';
import type { ScalarValue } from '../values/field-type.ts';
import type { PreparedEvent } from '../define/compiled-view.ts';
import type { DuckDb } from '../duckdb/duckdb.ts';
import { RowAppender } from '../duckdb/row-appender.ts';
import type { StateRow } from '../postgres/state-table.ts';
import { encodedEventBytes } from '../state/state-size.ts';
import type { MemoryAmount } from '../memory/memory-shares.ts';
import { stateOf } from '../state/encoded-run.ts';
import type { EntityState, ViewReducer } from '../state/view-reducer.ts';
import { EntityNumbers } from './entity-numbers.ts';
import { EntityStates } from './entity-states.ts';
import { EventBlock, type PackedBlock } from './event-block.ts';
import type { SavedState } from './saved-states.ts';
import { keyFromText, keyToText } from './spilled-key.ts';
import type { StateMemory } from './state-memory.ts';
import { MORE_THREAD_HEAP_BYTES, StateThread, THREAD_HEAP_BYTES } from './state-thread.ts';

/** What the events waiting to be applied, and those being applied, may take. */
const BLOCK_BYTES = 32 << 20;
const ENCODED_AT_ONCE = 1024;

/**
 * The states of a backfill. Where memory for more cannot be had they go to DuckDB as encoded partial states, and are merged by key when they
 * are read: the bytes are those of a run that never spilled, since states merge whatever the split. When there is more than one block of events, the
 * states live in a thread of their own.
 */
export class StateBuffer {
  readonly #reducer: ViewReducer;
  readonly #duckdb: DuckDb;
  readonly #memory: StateMemory;
  readonly #bytesPerEvent: number;
  readonly #entities = new EntityNumbers();
  readonly #block: EventBlock;
  #states: EntityStates | StateThread | null = null;
  #threadHeapBytes = THREAD_HEAP_BYTES;
  /** The block being applied. */
  #applying: Promise<void> = Promise.resolve();
  #spillTable: string | null = null;
  #spills = 0;
  /** What the states took once a block was applied, and the events that are not in it yet. */
  #statesBytes = 0;
  #events = 0;
  #eventsApplying = 0;

  /** @param blockBytes for tests */
  constructor(reducer: ViewReducer, duckdb: DuckDb, memory: StateMemory, blockBytes = BLOCK_BYTES) {
    this.#reducer = reducer;
    this.#duckdb = duckdb;
    this.#block = new EventBlock(reducer.layout, blockBytes);
    this.#memory = memory;
    this.#bytesPerEvent = encodedEventBytes(reducer.layout);
  }

  /** Entities held at the moment; those spilled before may be among them again. */
  get heldEntities(): number {
    return this.#entities.keys.length;
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
    this.#events++;
    this.#block.add(this.#entities.of(event.key), event);
  }

  /** What all of it takes, at most: events that are still to be applied count as what they can add to a state. */
  get needed(): MemoryAmount {
    const { bytes, heapBytes } = this.#block;
    const added = (this.#events + this.#eventsApplying) * this.#bytesPerEvent;
    return {
      heap: this.#threadHeapBytes + heapBytes + this.#entities.bytes,
      buffers: bytes + this.#statesBytes + added,
    };
  }

  /** To be called between batches: hands a full block on, and spills where no more memory can be had. */
  async endBatch(): Promise<void> {
    if (this.#block.isFull) {
      this.#states ??= this.#newThread();
      await this.#pass(this.#states);
    }
    if (this.#memory.holds(this.needed) || this.heldEntities === 0) return;
    const states = await this.#allApplied();
    if (!this.#memory.holds(this.needed)) await this.#spill(states);
  }

  #newThread(): StateThread {
    if (this.#memory.keepHeap(MORE_THREAD_HEAP_BYTES)) this.#threadHeapBytes += MORE_THREAD_HEAP_BYTES;
    return new StateThread(this.#reducer.layout, this.#threadHeapBytes);
  }

  /** The position of the history's last event. */
  get position(): number {
    return this.#block.times.position;
  }

  /** The states in memory, with what is known of their entities, as they are between two batches. They stay. */
  async *held(stretch: number): AsyncGenerator<SavedState> {
    const states = await this.#allApplied();
    const { keys } = this.#entities;
    for (let from = 0; from < keys.length; from += ENCODED_AT_ONCE) {
      const until = Math.min(from + ENCODED_AT_ONCE, keys.length);
      const encoded = await states.encoded(from, until - from);
      for (let entity = from; entity < until; entity++) {
        const key = keyToText(keys[entity] as readonly ScalarValue[]);
        // One that was recalled, and of which nothing came since, is empty.
        yield { key, state: stateOf(encoded, entity - from), times: this.#block.times.seen(entity), stretch };
      }
    }
  }

  /** What was spilled, from the given spill on. */
  async *spilled(fromSpill: number, stretch: number): AsyncGenerator<SavedState> {
    if (this.#spillTable === null) return;
    const sql = `SELECT key, state FROM ${this.#spillTable} WHERE spill >= ${fromSpill}`;
    for await (const chunk of this.#duckdb.chunks(sql, [])) {
      const keys = chunk.getColumnVector(0);
      const states = chunk.getColumnVector(1);
      for (let index = 0; index < chunk.rowCount; index++) {
        const { bytes: state } = states.getItem(index) as DuckDBBlobValue;
        yield { key: keys.getItem(index) as string, state, times: null, stretch };
      }
    }
  }

  /** Takes what another run has saved as spilled, and knows of its entities what that did. Before the first event. */
  async recall(rows: AsyncIterable<SavedState>, stretch: number, position: number): Promise<void> {
    const { times: known } = this.#block;
    const appender = await this.#appendSpill();
    try {
      for await (const { key, state, times, stretch: savedIn } of rows) {
        appender.append(key, this.#spills, blobValue(state));
        if (times === null) continue;
        const entity = this.#entities.of(keyFromText(key, this.#reducer.layout));
        known.recall(entity, savedIn === stretch ? times : { ...times, newestHere: Number.NEGATIVE_INFINITY });
      }
    } finally {
      appender.close();
    }
    known.recallPosition(position);
    this.#spills++;
  }

  /** All states, each entity once, encoded. Nothing may be added any more. */
  async *rows(signal?: AbortSignal): AsyncGenerator<StateRow> {
    const states = await this.#allApplied();
    if (this.#spillTable === null) {
      yield* this.#held(states);
      return;
    }
    await this.#spill(states);
    yield* this.#merged(this.#spillTable, signal);
  }

  /** Ends the thread. */
  async close(): Promise<void> {
    if (this.#states instanceof StateThread) await this.#states.close();
  }

  /** Hands the block on once the one before it was applied. */
  async #pass(states: EntityStates | StateThread): Promise<void> {
    await this.#applying;
    const block = this.#block.take();
    this.#eventsApplying = this.#events;
    this.#events = 0;
    this.#applying = this.#applied(states, block);
    // Whoever waits for it next is told; until then its failure must not end the process.
    this.#applying.catch(() => {});
  }

  async #applied(states: EntityStates | StateThread, block: PackedBlock): Promise<void> {
    this.#statesBytes = await states.apply(block);
    this.#eventsApplying = 0;
    this.#block.giveBack(block);
  }

  async #allApplied(): Promise<EntityStates | StateThread> {
    this.#states ??= new EntityStates(this.#reducer.layout);
    if (!this.#block.isEmpty) await this.#pass(this.#states);
    await this.#applying;
    return this.#states;
  }

  async *#held(states: EntityStates | StateThread): AsyncGenerator<StateRow> {
    const { keys } = this.#entities;
    for (let from = 0; from < keys.length; from += ENCODED_AT_ONCE) {
      const count = Math.min(ENCODED_AT_ONCE, keys.length - from);
      const encoded = await states.encoded(from, count);
      for (let index = 0; index < count; index++)
        yield { key: keys[from + index] as readonly ScalarValue[], state: stateOf(encoded, index) };
    }
  }

  async #spill(states: EntityStates | StateThread): Promise<void> {
    const appender = await this.#appendSpill();
    try {
      for await (const { key, state } of this.#held(states))
        appender.append(keyToText(key), this.#spills, blobValue(state));
    } finally {
      appender.close();
    }
    this.#spills++;
    const { isWanted } = this.#memory;
    await states.clear(!isWanted);
    this.#entities.clear();
    this.#block.forgetEntities();
    this.#statesBytes = 0;
    if (isWanted) this.#memory.giveBack();
  }

  async #appendSpill(): Promise<RowAppender> {
    if (this.#spillTable === null) {
      this.#spillTable = this.#duckdb.newName('spilled_states');
      await this.#duckdb.run(`CREATE TABLE ${this.#spillTable} (key VARCHAR, spill INTEGER, state BLOB)`);
    }
    return await RowAppender.open(this.#duckdb, this.#spillTable, [VARCHAR, INTEGER, BLOB]);
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
