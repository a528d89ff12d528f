import type { ScalarValue } from '../values/field-type.ts';
import type { EntityState } from '../state/view-reducer.ts';

/** One entity's state in memory, which is ahead of the database until the micro-batch `touchedBy` is committed. */
export interface CachedState {
  readonly keyText: string;
  readonly key: readonly ScalarValue[];
  readonly state: EntityState;
  /** Number of the last micro-batch that changed it; 0: as stored. */
  touchedBy: number;
  /** The commit that wrote the stored state; null: none is stored. */
  seq: number | null;
  /** Encoded size when last read or written. */
  bytes: number;
}

/**
 * The states of the entities seen lately, least recently used first. The fence makes it safe: while our token stands nobody else writes.
 * An entity whose last change is not committed is never evicted, since the database does not have it yet.
 */
export class StateCache {
  readonly #limitBytes: number;
  readonly #entries = new Map<string, CachedState>();
  #bytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get(keyText: string): CachedState | undefined {
    return this.#entries.get(keyText);
  }

  add(entry: CachedState): void {
    this.#entries.set(entry.keyText, entry);
    this.#bytes += entry.bytes;
  }

  /** Marks a change by a micro-batch; true when it is the first one by it. */
  touch(entry: CachedState, batch: number): boolean {
    if (entry.touchedBy === batch) return false;
    entry.touchedBy = batch;
    this.#entries.delete(entry.keyText);
    this.#entries.set(entry.keyText, entry);
    return true;
  }

  resize(entry: CachedState, bytes: number): void {
    this.#bytes += bytes - entry.bytes;
    entry.bytes = bytes;
  }

  /** Evicts down to the limit, sparing what micro-batches after `committedBatch` changed. */
  trim(committedBatch: number): void {
    if (this.#bytes <= this.#limitBytes) return;
    for (const entry of this.#entries.values()) {
      if (this.#bytes <= this.#limitBytes) return;
      if (entry.touchedBy > committedBatch) continue;
      this.#entries.delete(entry.keyText);
      this.#bytes -= entry.bytes;
    }
  }
}
