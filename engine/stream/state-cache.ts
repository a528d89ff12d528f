import type { EntityState, ViewReducer } from '../state/view-reducer.ts';
import { stateBytes } from '../state/state-size.ts';
import type { ScalarValue } from '../values/field-type.ts';
import { EncodedStates } from './encoded-states.ts';
import type { CacheMemory } from './stream-memory.ts';

/** One entity's state in memory, which is ahead of the database until the micro-batch `touchedBy` is committed. */
export interface CachedState {
  readonly keyText: string;
  readonly key: readonly ScalarValue[];
  readonly state: EntityState;
  /** Number of the last micro-batch that changed it; 0: as stored. */
  touchedBy: number;
  /** The commit that wrote the stored state; null: none is stored. */
  seq: number | null;
  /** The id of that commit, as text; null where it has none. */
  commitId: string | null;
  /** What it took of memory when last measured. */
  bytes: number;
}

/** Bounds of what is kept, bytes of memory. */
export interface CacheLimits {
  /** Of decoded states, which take up to 25 times their encoding. */
  readonly decoded: number;
  /** Of encoded ones. */
  readonly encoded: number;
}

/**
 * The states of the entities seen lately. Those seen last are decoded; those before them, least recently used first, are kept as they are encoded, outside
 * the heap, as far as there is memory. The fence makes it safe: while our token stands nobody else writes. An entity whose last change is not committed
 * stays decoded, since the database does not have it yet.
 */
export class StateCache {
  readonly #limits: CacheLimits;
  readonly #reducer: ViewReducer;
  readonly #memory: CacheMemory;
  readonly #decoded = new Map<string, CachedState>();
  readonly #encoded: EncodedStates;
  /** Of decoded states, and what of it is reserved. */
  #bytes = 0;

  constructor(limits: CacheLimits, reducer: ViewReducer, memory: CacheMemory) {
    this.#limits = limits;
    this.#reducer = reducer;
    this.#memory = memory;
    const most = limits.encoded;
    this.#encoded = new EncodedStates({
      take: (bytes) => this.#encoded.bytes + bytes <= most && memory.growBuffers(bytes),
      give: (bytes) => memory.shrinkBuffers(bytes),
    });
  }

  /** Bytes of memory of the decoded states, and of the encoded ones. */
  get bytes(): { readonly decoded: number; readonly encoded: number } {
    return { decoded: this.#bytes, encoded: this.#encoded.bytes };
  }

  /** A state at hand, decoded. */
  get(keyText: string): CachedState | undefined {
    return this.#decoded.get(keyText);
  }

  /** Decodes a state that is kept encoded; false where it is not. */
  restore(keyText: string, key: readonly ScalarValue[]): boolean {
    const found = this.#encoded.take(keyText);
    if (found === null) return false;
    this.add(keyText, key, this.#reducer.decode(found.bytes), found);
    return true;
  }

  /**
   * Adds a state that is not there.
   *
   * @param stored the commit that wrote it; null: none is stored
   */
  add(
    keyText: string,
    key: readonly ScalarValue[],
    state: EntityState,
    stored: { readonly seq: number; readonly commitId: string | null } | null,
  ): void {
    const bytes = stateBytes(state, keyText);
    this.#decoded.set(keyText, {
      keyText,
      key: [...key],
      state,
      touchedBy: 0,
      seq: stored?.seq ?? null,
      commitId: stored?.commitId ?? null,
      bytes,
    });
    this.#bytes += bytes;
  }

  /** Marks a change by a micro-batch; true when it is the first one by it. */
  touch(entry: CachedState, batch: number): boolean {
    if (entry.touchedBy === batch) return false;
    entry.touchedBy = batch;
    this.#decoded.delete(entry.keyText);
    this.#decoded.set(entry.keyText, entry);
    return true;
  }

  /** Measures a state that was changed. */
  measure(entry: CachedState): void {
    const bytes = stateBytes(entry.state, entry.keyText);
    this.#bytes += bytes - entry.bytes;
    entry.bytes = bytes;
  }

  /** Evicts down to what may be held, sparing what micro-batches after `committedBatch` changed, and gives back what others wait for. */
  trim(committedBatch: number): void {
    const memory = this.#memory;
    const wanted = memory.wantedBuffers();
    if (wanted > 0) this.#encoded.forget(wanted);
    const limit = Math.min(this.#limits.decoded, memory.heapFor(Math.min(this.#bytes, this.#limits.decoded)));
    if (this.#bytes > limit) this.#evict(limit, committedBatch);
    memory.settleHeap(this.#bytes);
  }

  /** Forgets encoded states that take so many bytes, or all. */
  forget(bytes: number): void {
    this.#encoded.forget(bytes);
  }

  #evict(limit: number, committedBatch: number): void {
    for (const entry of this.#decoded.values()) {
      if (this.#bytes <= limit) return;
      if (entry.touchedBy > committedBatch) continue;
      this.#decoded.delete(entry.keyText);
      this.#bytes -= entry.bytes;
      // One that is not stored anywhere is empty: it is looked up again.
      if (entry.seq !== null && this.#limits.encoded > 0)
        this.#encoded.put(
          entry.keyText,
          { seq: entry.seq, commitId: entry.commitId },
          this.#reducer.encode(entry.state),
        );
    }
  }
}
