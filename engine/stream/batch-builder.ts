import { emptyPrepared } from '../define/empty-prepared.ts';
import { setImmediate as turn } from 'node:timers/promises';
import { internalBug } from '../errors/millrace-error.ts';
import type { CompiledView, PreparedEvent } from '../define/compiled-view.ts';
import type { LogBatch, RawRecord } from '../topic/log-reader.ts';
import { brokerTimestampUs } from '../topic/record-judge.ts';
import { countOutcome } from '../topic/topic-pipeline.ts';
import type { StoredState } from '../postgres/state-table.ts';
import type { ViewReducer } from '../state/view-reducer.ts';
import type { ScalarValue } from '../values/field-type.ts';
import type { StreamLimit } from './stream-limit.ts';
import type { ChangedState, MicroBatch, PartitionAdvance } from './micro-batch.ts';
import type { PartitionRun } from './partition-run.ts';
import type { CachedState, StateCache } from './state-cache.ts';

/** Reads stored states; null where an entity has none. In the order of the keys. */
export type LoadStates = (keys: readonly (readonly ScalarValue[])[]) => Promise<(StoredState | null)[]>;

/** After this many records the event loop gets a turn, so that the transaction under way and the fetching go on. */
const RECORDS_PER_TURN = 500;

interface Pending {
  readonly event: PreparedEvent;
  run: PartitionRun;
}

/**
 * Turns records into micro-batches: pipeline → prepare → apply → encode. It runs ahead of the transactions: a batch is built on the
 * states the one before it left, committed or not. When a commit fails, everything here is dropped and loaded anew.
 */
export class BatchBuilder {
  readonly #view: CompiledView;
  readonly #reducer: ViewReducer;
  readonly #cache: StateCache;
  readonly #load: LoadStates;
  readonly #limit: StreamLimit;
  readonly #runs: ReadonlyMap<number, PartitionRun>;
  readonly #pool: Pending[] = [];
  /** Of the batch that is built. */
  #deadLetters: MicroBatch['deadLetters'][number][] = [];
  #pending = 0;
  #number = 0;

  constructor(options: {
    view: CompiledView;
    reducer: ViewReducer;
    cache: StateCache;
    load: LoadStates;
    limit: StreamLimit;
    runs: ReadonlyMap<number, PartitionRun>;
  }) {
    this.#view = options.view;
    this.#reducer = options.reducer;
    this.#cache = options.cache;
    this.#load = options.load;
    this.#limit = options.limit;
    this.#runs = options.runs;
  }

  /** Builds the next micro-batch. Throws `too-many-invalid-records`, `history-overlaps-topic`, and what loading states throws. */
  async build(batches: readonly LogBatch[]): Promise<MicroBatch> {
    this.#number++;
    this.#pending = 0;
    this.#deadLetters = [];
    let records = 0;
    for (const batch of batches) {
      const run = this.#runs.get(batch.partition);
      if (run === undefined) throw internalBug(`a batch of partition ${batch.partition}, which is not claimed`);
      for (const record of batch.records) {
        this.#step(record, run);
        if (++records % RECORDS_PER_TURN === 0) await turn();
      }
      run.pass(batch);
    }
    await this.#loadMissing();
    const { changed, applied } = await this.#apply();
    const states = await this.#encode(changed);
    const advances: PartitionAdvance[] = [];
    for (const run of this.#runs.values()) {
      const advance = run.takeAdvance();
      if (advance !== null) advances.push(advance);
    }
    advances.sort((a, b) => a.partition - b.partition);
    const deadLetters = this.#deadLetters;
    return { number: this.#number, records, applied, invalid: deadLetters.length, advances, states, deadLetters };
  }

  #step(record: RawRecord, run: PartitionRun): void {
    const { counts } = run;
    const outcome = run.pipeline.step(record);
    countOutcome(counts, outcome);
    switch (outcome.kind) {
      case 'event':
      case 'undeduped': {
        const slot = this.#slot(run);
        const prepared = this.#view.prepare(outcome.event, slot.event);
        if (prepared === 'ok') this.#pending++;
        else if (prepared === 'filtered') counts.filtered++;
        else if (prepared === 'null-key') counts.nullKey++;
        else {
          counts.invalid++;
          return this.#bury(record, run, prepared.invalid);
        }
        break;
      }
      case 'tombstone':
      case 'outside-until':
      case 'duplicate':
        break;
      case 'invalid':
        return this.#bury(record, run, outcome.reasons);
    }
    run.verdicts.valid();
  }

  #bury(record: RawRecord, run: PartitionRun, reasons: readonly string[]): void {
    this.#limit.invalid(record, run.verdicts, reasons);
    const { partition, offset, value } = record;
    this.#deadLetters.push({
      partition,
      offset,
      payload: value,
      reasons,
      brokerTimestampUs: brokerTimestampUs(record),
    });
  }

  #slot(run: PartitionRun): Pending {
    const slot = this.#pool[this.#pending];
    if (slot !== undefined) {
      slot.run = run;
      return slot;
    }
    const fresh: Pending = { event: emptyPrepared(this.#view.layout.slots), run };
    this.#pool.push(fresh);
    return fresh;
  }

  async #loadMissing(): Promise<void> {
    const missing = new Map<string, readonly ScalarValue[]>();
    let restored = 0;
    for (let index = 0; index < this.#pending; index++) {
      const { keyText, key } = this.#pool[index]!.event;
      if (this.#cache.get(keyText) !== undefined) continue;
      if (!this.#cache.restore(keyText, key)) missing.set(keyText, key);
      else if (++restored % RECORDS_PER_TURN === 0) await turn();
    }
    if (missing.size === 0) return;
    const stored = await this.#load([...missing.values()]);
    let at = 0;
    for (const [keyText, key] of missing) {
      const row = stored[at++] ?? null;
      const state = row === null ? this.#reducer.empty() : this.#reducer.decode(row.state);
      this.#cache.add(keyText, key, state, row ?? null);
      if (at % RECORDS_PER_TURN === 0) await turn();
    }
  }

  async #apply(): Promise<{ changed: CachedState[]; applied: number }> {
    const changed: CachedState[] = [];
    let applied = 0;
    for (let index = 0; index < this.#pending; index++) {
      const { event, run } = this.#pool[index]!;
      const entry = this.#cache.get(event.keyText)!;
      if (this.#reducer.apply(entry.state, event)) {
        applied++;
        run.counts.applied++;
        if (this.#cache.touch(entry, this.#number)) changed.push(entry);
      } else run.counts.late++;
      if (index % RECORDS_PER_TURN === RECORDS_PER_TURN - 1) await turn();
    }
    return { changed, applied };
  }

  async #encode(changed: CachedState[]): Promise<ChangedState[]> {
    // One order for all writers of a table: two of them never wait for each other in a circle.
    changed.sort((a, b) => (a.keyText < b.keyText ? -1 : 1));
    const states: ChangedState[] = [];
    for (const entry of changed) {
      const bytes = this.#reducer.encode(entry.state);
      this.#cache.measure(entry);
      states.push({ entry, bytes });
      if (states.length % RECORDS_PER_TURN === 0) await turn();
    }
    return states;
  }
}
