import { HistoryIds, PartitionDedupe } from '../admission/partition-dedupe.ts';
import { invariant } from '../errors/millrace-error.ts';
import type { SharedIds } from './shared-ids.ts';

/** The ids that one session knows: of the history, and of each of its partitions. To be released. */
export class SessionIds {
  readonly shared: SharedIds;
  readonly history: HistoryIds;
  readonly #dedupes = new Map<number, PartitionDedupe>();
  readonly #places: readonly number[];
  #released = false;

  /** @param shared joined by the caller, and left with the release */
  constructor(shared: SharedIds, horizonUs: number, partitions: readonly number[]) {
    this.shared = shared;
    this.#places = [-1, ...partitions];
    this.history = new HistoryIds([], shared.pool(-1));
    for (const partition of partitions)
      this.#dedupes.set(partition, new PartitionDedupe(horizonUs, this.history, shared.pool(partition)));
  }

  dedupe(partition: number): PartitionDedupe {
    const dedupe = this.#dedupes.get(partition);
    invariant(dedupe !== undefined, `partition ${partition} is not one of the session`);
    return dedupe;
  }

  /** Adds packed ids of a partition (-1: the history) in the order they were claimed. Throws MillraceError `dedupe-ids-corrupt`. */
  load(partition: number, packed: Uint8Array): void {
    if (partition === -1) this.history.load(packed);
    else this.dedupe(partition).load(packed);
  }

  /** What they take of memory beside those that are shared. */
  get ownBytes(): number {
    let { bytes } = this.history;
    for (const dedupe of this.#dedupes.values()) bytes += dedupe.bytes;
    return bytes;
  }

  /** What they take of memory: its own, and its part of those that are shared. */
  get bytes(): number {
    return this.#released ? 0 : this.ownBytes + this.shared.partOf(this.#places);
  }

  /** Gives everything back. Safe to call twice. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.history.release();
    for (const dedupe of this.#dedupes.values()) dedupe.release();
    this.shared.leave();
  }
}
